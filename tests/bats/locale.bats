#!/usr/bin/env bats
# Names and arguments survive every locale, byte for byte.

load helper

setup_file() {
    command -v localedef >/dev/null || return 0
    local source
    for source in zh_TW:BIG5 ja_JP:EUC-JP ko_KR:EUC-KR zh_CN:GBK zh_CN:GB18030 hy_AM:ARMSCII-8 de_DE:ISO-8859-1 zh_HK:BIG5-HKSCS; do
        # Warnings make its status 1.
        localedef -c -f "${source#*:}" -i "${source%:*}" "$BATS_FILE_TMPDIR/${source/:/.}" 2>/dev/null || true
    done
}

# in_each_locale COMMAND...: with LOCPATH and LC_ALL set for each that could be made, C and none.
in_each_locale() {
    local locale made=0
    export LOCPATH=$BATS_FILE_TMPDIR
    for locale in "$BATS_FILE_TMPDIR"/*.*; do
        [ -d "$locale" ] || continue
        made=$((made + 1))
        as=(env LC_ALL="${locale##*/}")
        "$@"
    done
    [ $made -gt 0 ] || skip "no localedef, or no character sets, here"
    as=(env LC_ALL=C)
    "$@"
    as=(env -u LC_ALL -u LANG -u LC_CTYPE)
    "$@"
}

# Pairs that BIG5, GBK and others decode as one and encode as another; what is no text in any; and UTF-8.
names=($'x\241\376' $'y\xf9\xf9' $'\xff\xfe' $'z\xa2\xcc' $'\xc3\xa9' $'\x8e\xa1')

held_under_its_name() {
    local name
    for name in "${names[@]}"; do
        rm -rf dir && mkdir dir
        bg "${as[@]}" "$P" hold "dir/$name" sleep 300
        until_true held "dir/$name"
        [ -p "dir/$name" ]
        # By another locale it is the same one.
        go_cmd env -u LC_ALL "$P" hold -q "dir/$name" true
        ends 75
        go check "dir/$name"
        ends 0
        go kill -k 10 "dir/$name"
        ends 0
    done
}

@test "hold takes the FIFO of just this name, and check, hold and kill find it" {
    in_each_locale held_under_its_name
}

arguments_as_given() {
    local name
    for name in "${names[@]}"; do
        for start in "$P" "$PY -ISEXutf8 $LIB"; do
            # shellcheck disable=SC2086 # words
            "${as[@]}" $start hold fifo printf '%s\n%s' "$name" "-$name" >got
            printf '%s\n%s' "$name" "-$name" | cmp - got
            # shellcheck disable=SC2086 # words
            "${as[@]}" env "V=$name" $start hold fifo printenv V >got
            printf '%s\n' "$name" | cmp - got
        done
    done
}

@test "the command gets its arguments and its environment byte for byte" {
    in_each_locale arguments_as_given
}

names_told_as_given() {
    local name=${names[0]}
    "${as[@]}" "$P" wait --any "$name" missing >got
    printf '%s\n' "$name" | cmp - got
    # shellcheck disable=SC2016 # the job's
    "${as[@]}" "$P" hold "$name" sh -c 'printf %s "$PROCALIVE_FIFO"' >got
    printf '%s/%s' "$PWD" "$name" | cmp - got
    [ ! -e "$name" ] || rm "$name"
}

@test "wait --any prints the name as it was given, and PROCALIVE_FIFO is the path" {
    in_each_locale names_told_as_given
}

@test "a script run by itself under BIG5 is the same: its first line has -X utf8" {
    own_copy
    # shellcheck disable=SC2034 # LIB's copy is run as a program
    as_script() {
        "${as[@]}" "$LIB" hold "${names[0]}" true
        [ -p "${names[0]}" ]
        rm "${names[0]}" "${names[0]}.holder"
    }
    chmod +x "$LIB"
    in_each_locale as_script
}
