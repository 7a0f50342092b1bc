#!/usr/bin/env bats
# `@NAME`: one place for each user, by the user database and never by the environment.

load helper

# hold_name NAME: as ${as[@]}; back when it is held.
hold_name() {
    bg "${as[@]}" "$P" hold "$1" sleep 300
    until_true became_command "$pid"
}

# refused PATTERN: every verb refuses @x with this message, and nothing is made in its place.
refused() {
    local verb
    go hold @x touch ran
    ends 125 "procalive: $1"
    for verb in check wait who kill path; do
        go $verb @x
        ends 2 "procalive: $1"
    done
    [ ! -e ran ]
}

# --- where it is ---

@test "a name is /run/procalive/NAME.fifo for root, and its directory is made with mode 0755" {
    a_user
    as=("${as_root[@]}")
    go path @backup
    ends 0 '' /run/procalive/backup.fifo
    go_cmd "${as[@]}" ls /run
    ends 0
    (umask 077 && "${as[@]}" "$P" hold @backup true)
    go_cmd "${as[@]}" stat -c '%a %U' /run/procalive /run/procalive/backup.fifo
    ends 0 '' $'755 root\n600 root'
}

@test "a name is below the home directory for everybody else, and its directory is made with mode 0700" {
    a_user
    as=("${as_alice[@]}")
    go path @backup
    ends 0 '' "$home/.local/state/procalive/backup.fifo"
    same "$(ls -A home)" ''
    (umask 000 && "${as[@]}" "$P" hold @backup true)
    go_cmd "${as[@]}" stat -c '%a %U' home/.local home/.local/state/procalive home/.local/state/procalive/backup.fifo
    ends 0 '' $'700 alice\n700 alice\n600 alice'
}

@test "a name leads to one place whatever HOME and XDG variables say, or if there are none" {
    a_user
    local wrap
    for wrap in 'env -u HOME' 'env HOME=/elsewhere' 'env XDG_RUNTIME_DIR=/elsewhere XDG_STATE_HOME=/elsewhere' 'env -i' \
        'env -i HOME=/ LOGNAME=root USER=root SHELL=/bin/sh' 'setsid -w'; do
        # shellcheck disable=SC2206 # words
        as=("${as_alice[@]}" $wrap)
        go path @x
        ends 0 '' "$home/.local/state/procalive/x.fifo"
        go_cmd "${as[@]}" "$PY" -ISE "$LIB" path @x
        ends 0 '' "$home/.local/state/procalive/x.fifo"
    done
}

@test "a name is one lock in a login, under cron, by su and by sudo: check 0, hold 75" {
    a_user
    need su
    as=("${as_alice[@]}" env HOME="$home")
    hold_name @x
    local ways=('su alice -c' 'su -l alice -c' 'env -i PATH=/usr/bin:/bin setpriv --reuid 54321 --regid 54321 --clear-groups -- sh -c') way
    ! command -v sudo >/dev/null || ways+=('sudo -u alice -- sh -c' 'sudo -E -u alice -- sh -c' 'sudo -H -u alice -- sh -c')
    for way in "${ways[@]}"; do
        # shellcheck disable=SC2086 # words
        go_cmd "${as_root[@]}" $way "$P check @x; echo \$?; $P hold -q @x true; echo \$?"
        ends 0 '*' $'0\n75'
    done
}

@test "a name is root's own under sudo, and no user's" {
    a_user
    need sudo
    as=("${as_alice[@]}" env HOME="$home")
    hold_name @x
    go_cmd "${as[@]}" sudo "$P" path @x
    ends 0 '*' /run/procalive/x.fifo
    go_cmd "${as[@]}" sudo "$P" check @x
    ends 1 '*'
    # What the user's name stands for can be handed on as a path.
    go_cmd "${as[@]}" sudo "$P" check "$("${as[@]}" "$P" path @x)"
    ends 0 '*'
}

# --- where it is taken ---

@test "every verb takes a name, and says the path" {
    a_user
    as=("${as_alice[@]}")
    local full=$home/.local/state/procalive/job.fifo
    go wait @job
    ends 0
    go wait -v @job
    ends 0 "procalive: $full: *"$'\n'"procalive: $full: gone"
    go kill @job
    ends 1 "procalive: $full: no such FIFO"
    hold_name @job
    go check -v @job
    ends 0 '' "$full: alive, held by $pid (sleep) for *"
    go who @job
    ends 0 '' "*$full *$pid *sleep 300"
    go wait -t 0 @job
    ends 124
    go hold @job true
    ends 75 "procalive: $full: held by $pid (sleep) for *"
    go kill -k 10 @job
    ends 0
    go check @job
    ends 1
}

@test "hold exports the path of a name, and leaves names among the command's arguments alone" {
    a_user
    as=("${as_alice[@]}")
    # shellcheck disable=SC2016 # the job's
    go hold @job sh -c 'echo "$PROCALIVE_FIFO $1"' sh @job
    ends 0 '' "$home/.local/state/procalive/job.fifo @job"
}

@test "hold --any and hold --fd take names" {
    a_user
    as=("${as_alice[@]}")
    hold_name @a
    # shellcheck disable=SC2016 # the job's
    go hold --any @a @b -- sh -c 'echo "$PROCALIVE_FIFO"'
    ends 0 '' "$home/.local/state/procalive/b.fifo"
    # shellcheck disable=SC2016 # the inner shell's
    go_cmd "${as[@]}" sh -c 'exec 9<>"$1/b.fifo"; "$0" hold --fd 9 @b && "$0" check @b' "$P" "$home/.local/state/procalive"
    ends 0
}

@test "wait --up makes the FIFO of a name, and its directory" {
    a_user
    as=("${as_alice[@]}")
    go wait --up -t 0 @server
    ends 124
    [ -p home/.local/state/procalive/server.fifo ]
}

@test "a file whose name begins with @ is ./@x" {
    go hold ./@x "$P" check ./@x
    ends 0
    [ -p ./@x ]
}

@test "what is no name is a usage error: 125 for hold, 2 else, and nothing is made" {
    local word verb long
    long=$(printf 'a%.0s' {1..201})
    for word in @ @.x @-x @_x @+x @a/b @/run/x '@a b' @ä "@a"$'\n' @@x @../x "@$long"; do
        go hold "$word" touch ran
        ends 125 'procalive: *: not a name: *'
        for verb in check wait who kill path; do
            go $verb "$word"
            ends 2 'procalive: *: not a name: *; a file of that name is ./@*'
        done
    done
    same "$(ls -A)" ''
    go path "@${long:1}"
    ends 0 '' "*/${long:1}.fifo"
    go path @9aA.b_c+d-e
    ends 0 '' '*/9aA.b_c+d-e.fifo'
}

@test "path exits 2 without a name, and with two" {
    go path
    ends 2 'procalive: path: needs one name, *'
    go path @a @b
    ends 2 'procalive: path: needs one name, *'
}

# --- what is refused; never another place instead ---

@test "a name is refused where the user's home directory is missing, with a way out" {
    another_user
    as=("${other[@]}" env HOME="$BATS_TEST_TMPDIR")
    chmod 0777 .
    refused '@x: the home directory */nonexistent is missing, *an absolute path *tmpfiles.d: d /run/nobody 0700 nobody - -)'
    same "$(find . -name '*.fifo')" ''
}

@test "a name is refused where the home directory is /, and where there is no such user" {
    a_user
    sed 's|^alice:.*|alice:x:54321:54321::/:/bin/sh|' passwd >other
    cat other >passwd # in place: it is mounted
    as=("${as_alice[@]}" env HOME="$home")
    refused '@x: the home directory of alice is /, so there is no place for names; *'
    sed '/^alice:/d' passwd >other
    cat other >passwd
    refused '@x: user 54321 is not in the user database, so there is no place for names; *'
}

@test "a name is refused where the home directory may not be written" {
    a_user
    chown root home
    as=("${as_alice[@]}")
    go hold @x touch ran
    ends 125 'procalive: @x: */home/.local cannot be made (Permission denied), so there is no place for names; *'
}

@test "a name is refused where its directory is a link, another's, or others may write to it" {
    a_user
    local names=home/.local/state/procalive
    as=("${as_alice[@]}")
    "${as[@]}" "$P" hold @x true
    chmod 0770 $names
    refused "@x: others may write to *$names; run: chmod go-w *$names"
    chmod 0700 $names
    chown 65534 $names
    refused "@x: *$names belongs to nobody, and not to you"
    chown 54321 $names
    mv $names elsewhere
    ln -s "$PWD/elsewhere" $names
    refused "@x: *$names is not a directory of its own, *"
    rm $names
    touch $names
    refused "@x: *$names is not a directory of its own, *"
}

@test "root's names are refused where /run/procalive is another's" {
    a_user
    as=("${as_root[@]}")
    "${as[@]}" install -d -o alice /run/procalive
    refused '@x: /run/procalive belongs to alice, and not to you'
}
