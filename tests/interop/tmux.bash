# shellcheck shell=bash
# A real terminal (tmux) for the scripts of this folder: what they type into it, and what they see. To be sourced behind
# common.bash, with `authsome`, the program to test, set. Linux only: it reads /proc.

# Seconds until something that has to happen counts as missing. Long, because a busy machine is slow; nothing waits that long.
patience=15

work=$(mktemp -d)
mkdir "$work/tmp" "$work/home"

# A server of its own, with its socket in a folder of its own.
in_tmux() { TMUX_TMPDIR=$work tmux -L interop -f /dev/null "$@"; }

clean_up() {
    in_tmux kill-server 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

# Without these no check can say anything.
require_terminal() {
    if ! has tmux || ! "$authsome" version >/dev/null; then
        echo "FAIL  tmux and authsome are there"
        exit 1
    fi
    # One server for all terminals: it would end with the last one, just when the next is wanted.
    in_tmux start-server \; set-option -g exit-empty off
}

# Polls: `wait_for COMMAND...`.
wait_for() {
    local deadline=$((SECONDS + patience))
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.03
    done
}

# The state of a process, as one letter; `-` when there is none.
state() { sed -n 's/^State:[^A-Za-z]*\([A-Za-z]\).*/\1/p' "/proc/$1/status" 2>/dev/null | grep . || echo -; }
is_stopped() { [[ $(state "$1") == T ]]; }
is_running() { [[ $(state "$1") == [SR] ]]; }
# A zombie has ended: whoever inherited it has only not asked for it yet.
is_gone() { [[ $(state "$1") == [-ZX] ]]; }
# A process has become the program of this name: `runs PID NAME`.
runs() { [[ $(cat "/proc/$1/comm" 2>/dev/null) == "$2" ]]; }

# The first child that has become another program; the threads of a process have their children apart. authsome's second process, which tells whose a signal is, doesn't count.
child_of() {
    local parent child name
    parent=$(cat "/proc/$1/comm" 2>/dev/null)
    for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        name=$(cat "/proc/$child/comm" 2>/dev/null) || continue
        [[ $name == "$parent" || $name == signal-watch ]] || { echo "$child" && return; }
    done
    return 1
}
has_child() { child_of "$1" >/dev/null; }

# Types into the terminal, as a person would.
type_text() { in_tmux send-keys -t terminal -l -- "$1"; }
type_line() {
    type_text "$1"
    press Enter
}
press() { in_tmux send-keys -t terminal "$1"; }

# All that the terminal shows and has shown, lines that were too wide for it in one piece.
screen() { in_tmux capture-pane -p -J -S - -t terminal; }

# A new terminal with an interactive shell, whose process is $shell. What it runs is in $work/cwd, which is new too. Values of
# `terminal_env` are added to the shell's environment.
terminal_env=()
open_terminal() {
    in_tmux kill-session -t terminal 2>/dev/null || true
    rm -rf "$work/cwd"
    mkdir "$work/cwd"
    local added=""
    ((${#terminal_env[@]} == 0)) || added=$(printf ' %q' "${terminal_env[@]}")
    in_tmux new-session -d -s terminal -x 200 -y 50 -c "$work/cwd" \
        "exec env -i PATH='$PATH' HOME='$work/home' TMPDIR='$work/tmp' TERM=screen PS1='> ' HISTFILE=$added \
            bash --norc --noprofile -i"
    shell=$(in_tmux display-message -p -t terminal '#{pane_pid}')
    # It has started when it does what is typed.
    type_line ": >shell-is-there"
    wait_for test -e "$work/cwd/shell-is-there"
}

# Whether the program's exit code, as the shell in the terminal has it, is this. A line of its own: an interactive shell drops the
# rest of a line whose program was interrupted.
ended_with() {
    rm -f "$work/cwd/code"
    # Shells write the file before they write into it, so it appears by a rename.
    type_line 'echo $? >code.new; mv code.new code'
    wait_for test -e "$work/cwd/code" || return 1
    [[ $(<"$work/cwd/code") == "$1" ]]
}

around() { in_tmux capture-pane -p -t terminal 2>/dev/null | grep . | tail -n 8 || true; }
after_check() { in_tmux kill-session -t terminal 2>/dev/null || true; }

# The program from outside of the terminal, with the home that the terminal's has.
ask_authsome() { env -i PATH="$PATH" HOME="$work/home" AUTHSOME_HOME="$work/authsome" "$authsome" "$@"; }

# Lines like this on the screen: `shows PATTERN [COUNT]`, no fewer than that.
shows() { (($(screen | grep -c -e "$1" || true) >= ${2:-1})); }
sees() { wait_for shows "$@"; }

# A prompt counts as there when the terminal hides what is typed: the words come before it does.
is_hidden() { ! stty_has echo; }
is_shown() { stty_has echo; }
stty_has() { stty -a <"$(in_tmux display-message -p -t terminal '#{pane_tty}')" | tr -s ' ;' '\n' | grep -qx -e "$1"; }

has_nothing() { ask_authsome list --json | tr -d ' \n' | grep -q '"connections":\[\]'; }
# A screen that can't be read shows nothing, and is no proof.
never_shown() {
    local all
    all=$(screen) || return 1
    [[ $all != *"$1"* ]]
}

# The terminal is as a shell wants it: what is typed is shown, edited in lines, and Ctrl-C is a signal. Looked at while a program
# runs in it, since bash itself reads key by key.
is_restored() {
    rm -f "$work/cwd/modes"
    type_line 'stty -a >modes.new; mv modes.new modes'
    wait_for test -e "$work/cwd/modes" || return 1
    for mode in echo icanon isig iexten icrnl; do
        tr -s ' ;' '\n' <"$work/cwd/modes" | grep -qx -e "$mode" || return 1
    done
}
