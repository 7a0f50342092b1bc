#!/usr/bin/env bats
# Recipes, run word for word, with a FIFO of the test's for the name, and with
# programs of the test's.

load helper

# documented LINE: it stands so in the manual; $line is that with F for the name.
documented() {
    shopt -s extglob
    line=${1//@[a-z]*([a-z])/F}
    sed 's/\\&//g; s/\\e/\\/g; s/\\-/-/g; s/\\(aq/'"'"'/g; s/\\(dq/"/g' "$TOP/man/procalive.1" | grep -qF -- "$1" && return
    printf 'not in the manual: %s\n' "$1"
    return 1
}

# recipe LINE: run it by sh, with procalive and the test's programs on the PATH.
recipe() {
    mkdir -p bin
    ln -sf "$P" bin/procalive
    as=()
    go_cmd env PATH="$PWD/bin:$PATH" SHELL=/bin/sh sh -c "$1"
}

# program NAME LINES: a program that the recipe names.
program() {
    mkdir -p bin
    printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
    chmod +x "bin/$1"
}

@test "a limit on the run time" {
    program backup.sh 'echo started >>log; exec sleep 300'
    documented 'procalive hold @backup -- timeout -k 10 1h backup.sh'
    recipe "${line/1h/0.2}"
    ends 124
    same "$(cat log)" started
    program backup.sh 'exit 3'
    recipe "$line"
    ends 3
}

@test "silent unless it fails" {
    need chronic
    documented 'procalive hold -q -E 0 @backup -- chronic backup.sh'
    program backup.sh 'echo much; exit 0'
    recipe "$line"
    ends 0
    program backup.sh 'echo why; exit 4'
    recipe "$line"
    [ "$status" = 4 ]
    [[ $output$stderr = *why* ]]
}

@test "a ping for runs that took place" {
    program curl 'echo "$*" >>pings'
    # shellcheck disable=SC2016
    documented 'procalive hold @backup -c '\''backup.sh && curl -fsS "$PING_URL"'\'
    export PING_URL=https://hc.example/backup
    program backup.sh 'exit 0'
    recipe "$line"
    same "$(grep -c hc.example pings)" 1
    program backup.sh 'exit 1'
    recipe "$line"
    ends 1
    hold_bg F sleep 300
    recipe "$line"
    ends 75 '*held by*'
    same "$(grep -c hc.example pings)" 1
}

@test "jitter: many machines do not begin in the same second" {
    program sleep 'echo "$1" >>pauses'
    program sync.sh 'echo ran'
    # shellcheck disable=SC2016
    documented 'sleep "$(shuf -i 0-300 -n 1)"; procalive hold -q -E 0 @sync -- sync.sh'
    recipe "$line"
    ends 0 '' ran
    grep -qxE '[0-9]|[0-9][0-9]|[12][0-9][0-9]|300' pauses
}

@test "start the daemon, or tell the running one to reload" {
    program daemon 'trap "echo reloaded >>log" HUP; echo up >>log; while [ ! -e halt ]; do sleep 0.02; done'
    documented 'procalive kill -s HUP @server || procalive hold @server -- daemon'
    bg env PATH="$PWD/bin:$PATH" sh -c "${line//procalive/$P}"
    until_true grep -qs up log
    recipe "$line"
    ends 0
    until_true grep -q reloaded log
    : >halt
    until_true free F
}

@test "a skip that is counted" {
    program logger 'echo "$*" >>skips'
    documented 'procalive hold -q @backup -- backup.sh || [ $? != 75 ] || logger skipped'
    program backup.sh 'exit 0'
    recipe "$line"
    ends 0
    [ ! -e skips ]
    hold_bg F sleep 300
    recipe "$line"
    ends 0
    same "$(cat skips)" skipped
}

@test "-c 'a && b' locks both, hold F -- a && b only a" {
    program a 'procalive check F; echo "a $?"'
    program b 'procalive check F; echo "b $?"'
    recipe "procalive hold F -c 'a && b'"
    ends 0 '' $'a 0\nb 0'
    recipe 'procalive hold F -- a && b'
    ends 0 '' $'a 0\nb 1'
}

@test "one lock for a whole make target" {
    need make
    # shellcheck disable=SC2016
    printf '%s\n' 'deploy:' $'\tprocalive hold -w 10m deploy.fifo -- $(MAKE) deploy-locked' \
        'deploy-locked: build' $'\t@procalive check deploy.fifo && echo deployed' 'build:' $'\t@echo built' >Makefile
    recipe 'make -s deploy'
    [ "$status" = 0 ]
    [[ $output = *built*deployed ]]
}

@test "a git hook that runs once at a time and never holds up the commit" {
    need git
    git -c init.defaultBranch=main init -q repo
    printf '%s\n' '#!/bin/sh' \
        'procalive hold -q -E 0 "$(git rev-parse --absolute-git-dir)/index.fifo" -- ctags -R . >/dev/null 2>&1 &' >repo/.git/hooks/post-commit
    chmod +x repo/.git/hooks/post-commit
    program ctags 'echo ran >>"$(dirname "$0")/../tags"'
    recipe 'cd repo && git -c user.name=x -c user.email=x commit -q --allow-empty -m x'
    ends 0
    until_true test -s tags
}

@test "an Ansible task takes 75 for no change, and not for a failure" {
    cat >task.yml <<'EOF'
- name: rotate the keys, unless that goes on already
  ansible.builtin.command: procalive hold -q @rotate -- rotate-keys
  register: rotate
  changed_when: rotate.rc == 0
  failed_when: rotate.rc not in [0, 75]
EOF
    "$PY" -c 'import yaml' 2>/dev/null || skip "no python3-yaml here"
    "$PY" -c 'import yaml; task, = yaml.safe_load(open("task.yml")); assert task["failed_when"] == "rotate.rc not in [0, 75]"'
}
