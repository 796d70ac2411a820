#!/usr/bin/env bash
# Boards and clients on machines of their own: network namespaces on a bridge. Each case starts three boards, submits
# both apps from a fourth machine, and holds the results against the uncut network's, bit for bit.
#   between_machines.sh BUILD_DIRECTORY [CASE...]        exit 0: right, 1: wrong, 77: no namespaces here
set -u
build=$(cd "${1:?usage: $0 BUILD_DIRECTORY [CASE...]}" && pwd) || exit 2
shift
source=$(cd "$(dirname "$0")/../.." && pwd)
fard=$build/cli/fard fardd=$build/runtime/node_manager/fardd
work=$(mktemp -d /tmp/fard-net.XXXXXX)
name=fardnet$$
unset FARD_NODE FARD_LIBEXEC FARD_KEYS TMPDIR
children=()

cleanup() {
    local child space
    for child in "${children[@]}"; do kill -9 "$child" 2>/dev/null; done
    wait 2>/dev/null
    for space in $(ip netns list 2>/dev/null | grep -o "^$name-[a-z0-9]*"); do ip netns del "$space"; done
    rm -rf "$work"
}
trap cleanup EXIT
skip() { echo "skipped: $*"; exit 77; }
wrong() { echo "WRONG: $*"; exit 1; }
on() { local machine=$1; shift; ip netns exec "$name-$machine" env XDG_RUNTIME_DIR="$work/$machine" HOME="$work/$machine" "$@"; }
spawn() { local machine=$1; shift; exec ip netns exec "$name-$machine" env XDG_RUNTIME_DIR="$work/$machine" HOME="$work/$machine" "$@"; }

[[ $(id -u) == 0 ]] || skip "not root"
ip netns add "$name-switch" 2>/dev/null || skip "no network namespaces"
ip -n "$name-switch" link add lan type bridge && ip -n "$name-switch" link set lan up || skip "no bridges"

machine() { # machine NAME ADDRESS/BITS...: on the bridge
    local m=$1 address; shift
    ip netns add "$name-$m"
    mkdir -p -m 700 "$work/$m"
    ip -n "$name-$m" link set lo up
    ip link add "v$m-$$" netns "$name-switch" type veth peer name eth0 netns "$name-$m" || skip "no veth"
    ip -n "$name-switch" link set "v$m-$$" master lan up
    for address; do ip -n "$name-$m" addr add "$address" dev eth0 nodad 2>/dev/null || ip -n "$name-$m" addr add "$address" dev eth0; done
    ip -n "$name-$m" link set eth0 up
}
machine a 10.91.0.1/24 fd91::1/64
machine b 10.91.0.2/24 fd91::2/64
machine c 10.91.0.3/24 fd91::3/64
machine d 10.91.0.4/24 fd91::4/64

start() { # start MACHINE fardd arguments
    local m=$1; shift
    spawn "$m" "$fardd" --name "$m" --state-dir "$work/$m/state" --slots 2 "$@" 2>>"$work/$m.log" &
    children+=($!)
}
stop_boards_keep() {
    local child
    for child in "${children[@]}"; do kill "$child" 2>/dev/null; done
    wait 2>/dev/null
    children=()
    rm -f "$work"/*.log
}
stop_boards() {
    stop_boards_keep
    rm -rf "$work"/[a-z]/state "$work"/[a-z]/.config "$work"/*.log
}
await() { # await COUNT MACHINE ADDRESS
    local try
    for try in $(seq 150); do
        [[ $(on "$2" "$fard" status --node "$3" 2>/dev/null | grep -c 'cpu0 (soft)') == "$1" ]] && return
        sleep 0.2
    done
    wrong "not $1 boards at $3 after 30 s: $(on "$2" "$fard" status --node "$3" 2>&1 | tail -3) $(cat "$work"/*.log | tail -5)"
}
app() { # app MACHINE ADDRESS APP MODEL CHUNKS
    on "$1" timeout 300 "$fard" submit "$source/apps/$3.toml" --chunks "$5" --node "$2" --output "$work/out.npy" \
        --prepared "$work/in.npy" >/dev/null 2>"$work/err" || wrong "$3: $(tail -2 "$work/err")"
    [[ -e $work/$3.$5.npy ]] || "$fard" run "$source/apps/$4" --input "$work/in.npy" --output "$work/$3.$5.npy" >/dev/null || exit 1
    cmp -s "$work/out.npy" "$work/$3.$5.npy" || wrong "$3: other results than the uncut network's"
}
small() { app "$1" "$2" two_stage_bnn two_stage_bnn/cnv_w2a2.onnx 5; }
large() { app "$1" "$2" mobilenet_six_stage "$(cd "$source/apps" && echo mobilenet_six_stage/*.onnx)" 2; }

insecure() {
    start a --insecure --front-door tcp://10.91.0.1:7000
    start b --insecure --front-door tcp://10.91.0.2:7000 --seed 10.91.0.1:7000
    start c --insecure --front-door tcp://10.91.0.3:7000 --seed 10.91.0.1:7000
    await 3 d 10.91.0.1:7000
    small d 10.91.0.1:7000
    large d 10.91.0.2:7000
    on d "$fard" status --node 10.91.0.1:7000 | grep -q '^insecure' || wrong "status does not say that it is insecure"
}

ipv6() {
    ip -n "$name-a" -6 addr show dev eth0 2>/dev/null | grep -q fd91::1 || { echo "ipv6: skipped, there is none here"; return; }
    start a --insecure --front-door 'tcp://[fd91::1]:7000'
    start b --insecure --front-door 'tcp://[fd91::2]:7000' --seed '[fd91::1]:7000'
    start c --insecure --front-door 'tcp://[::]:7000' --advertise fd91::3 --seed '[fd91::1]:7000'
    await 3 d '[fd91::1]:7000'
    small d '[fd91::3]:7000'
}

# A client behind a router that translates its address: nobody can connect to it.
nat() {
    command -v iptables >/dev/null || command -v nft >/dev/null || { echo "nat: skipped, neither iptables nor nft"; return; }
    machine r 10.91.0.9/24
    ip netns add "$name-n" && mkdir -p -m 700 "$work/n" && ip -n "$name-n" link set lo up
    ip link add inner netns "$name-r" type veth peer name eth0 netns "$name-n"
    ip -n "$name-r" addr add 10.92.0.1/24 dev inner && ip -n "$name-r" link set inner up
    ip -n "$name-n" addr add 10.92.0.2/24 dev eth0 && ip -n "$name-n" link set eth0 up
    ip -n "$name-n" route add default via 10.92.0.1
    on r sh -c "echo 1 >/proc/sys/net/ipv4/ip_forward" 2>/dev/null || { echo "nat: skipped, no forwarding here"; return; }
    on r iptables -t nat -A POSTROUTING -s 10.92.0.0/24 -o eth0 -j MASQUERADE 2>/dev/null ||
        on r nft "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname eth0 masquerade" 2>/dev/null ||
        { echo "nat: skipped, no address translation here"; return; }
    start a --insecure --front-door tcp://10.91.0.1:7000
    start b --insecure --front-door tcp://10.91.0.2:7000 --seed 10.91.0.1:7000
    await 2 n 10.91.0.1:7000
    small n 10.91.0.1:7000
}

# A board with two networks; its client is on the one that the other boards are not on.
two_networks() {
    ip -n "$name-a" addr add 10.93.0.1/24 dev eth0
    ip -n "$name-d" addr add 10.93.0.4/24 dev eth0
    ip -n "$name-d" addr del 10.91.0.4/24 dev eth0
    start a --insecure --front-door tcp://0.0.0.0:7000 --advertise 10.91.0.1
    start b --insecure --front-door tcp://10.91.0.2:7000 --seed 10.91.0.1:7000
    await 2 d 10.93.0.1:7000
    small d 10.93.0.1:7000
    ip -n "$name-d" addr add 10.91.0.4/24 dev eth0
}

# Names from the hosts file, and from a name server that never answers.
names() {
    mkdir -p "/etc/netns/$name-b"
    printf '127.0.0.1 localhost\n10.91.0.1 zed-a.lab\n' >"/etc/netns/$name-b/hosts"
    printf 'nameserver 10.91.0.77\n' >"/etc/netns/$name-b/resolv.conf"
    start a --insecure --front-door tcp://10.91.0.1:7000
    start b --insecure --front-door tcp://10.91.0.2:7000 --seed nobody.lab:7000 --seed zed-a.lab:7000
    await 2 d 10.91.0.2:7000
    small b zed-a.lab:7000
    on b timeout 20 "$fard" status --node nobody.lab:7000 >/dev/null 2>&1
    [[ $? == 3 ]] || wrong "a name that nobody answers for is not exit 3"
    rm -rf "/etc/netns/$name-b"
}

# join MACHINE ROLE arguments of join: by a new ticket of the board on a
join() {
    local m=$1 role=$2; shift 2
    on a "$fard" keys ticket --role "$role" >"$work/ticket" || wrong "no ticket for $m"
    on "$m" "$fard" join "$@" <"$work/ticket" 2>"$work/err" || wrong "join $m: $(cat "$work/err")"
}
# keyed_pair NAME: boards with keys on a, by that name, and b; the ticket that b used is left in $work/ticket
keyed_pair() {
    on a "$fard" init --name "$1" --front-door tcp://10.91.0.1:7000 >"$work/ticket" 2>/dev/null || wrong "fard init"
    start a --config "$work/a/.config/fard/keys/fardd.toml" --name "$1"
    await 1 a 10.91.0.1:7000
    on b "$fard" join --name b --front-door tcp://10.91.0.2:7000 <"$work/ticket" 2>"$work/err" || wrong "join b: $(cat "$work/err")"
    start b --config "$work/b/.config/fard/keys/fardd.toml"
}

keys() {
    local m node=10.91.0.1:7000
    keyed_pair a
    on c "$fard" join --name c --front-door tcp://10.91.0.3:7000 <"$work/ticket" 2>/dev/null && wrong "a ticket was good twice"
    join c node --name c --front-door tcp://10.91.0.3:7000
    start c --config "$work/c/.config/fard/keys/fardd.toml"
    on d timeout 5 "$fard" status --node $node >/dev/null 2>&1 && wrong "a stranger is answered"
    join d user --name dora
    await 3 d $node
    small d $node
    large d $node
    on d "$fard" keys list >/dev/null 2>&1 && wrong "a user may see to keys"
    on d "$fard" submit "$source/apps/two_stage_bnn.toml" --chunks 100000 --node $node >/dev/null 2>"$work/err" &
    local run=$!
    sleep 3
    on b "$fard" keys revoke --key dora >/dev/null || wrong "revoke"
    sleep 2
    on a "$fard" status | grep -q ' running ' && wrong "2 s after its client's key was revoked the run goes on"
    kill $run 2>/dev/null
    on d timeout 5 "$fard" status --node $node >/dev/null 2>&1 && wrong "a revoked user is answered"
    on a "$fard" keys revoke --key c >/dev/null || wrong "revoke c"
    sleep 2
    [[ $(on a "$fard" status | grep -c 'cpu0 (soft)') == 2 ]] || wrong "a revoked node is still a member"
}

says() { # says TEXT COMMAND...: the command fails, and its error has the text
    local text=$1 said; shift
    said=$("$@" 2>&1 >/dev/null) && wrong "no error: $*"
    [[ $said == *"$text"* ]] || wrong "'$said' does not say '$text': $*"
}

# What people with keys do by mistake, and what they cannot know.
slips() {
    local node=10.91.0.1:7000 key
    keyed_pair a
    says "this ticket was used" on c "$fard" join --name c --front-door tcp://10.91.0.3:7000 <"$work/ticket"
    says "\`fard join\` gets some" on d timeout 9 "$fard" status --node $node
    join c node --name b --front-door tcp://10.91.0.3:7000
    start c --config "$work/c/.config/fard/keys/fardd.toml"
    join d user --name dora
    await 3 d $node
    says "2 keys are called 'b'" on a "$fard" keys revoke --key b
    key=$(grep -h '//10.91.0.2:' "$work"/[ad]/.config/fard/keys/nodes | head -1 | cut -d# -f2)
    says "which this command itself uses" on b "$fard" keys revoke --key "${key:-none}"
    small d $node
    on d "$fard" status --node $node | grep -q ' dora (' || wrong "status does not say whose key a run came with"
    # The board that everyone joined by gets a new key, and goes: the others are still found.
    # A rotation was ended in the middle before.
    (umask 077; echo half > "$work/a/.config/fard/keys/key.next")
    on a "$fard" keys rotate >/dev/null 2>&1 || wrong "rotate"
    kill "${children[0]}"; wait "${children[0]}" 2>/dev/null
    on d "$fard" status >"$work/status" 2>&1 || wrong "with the first board down: $(cat "$work/status")"
    start a --config "$work/a/.config/fard/keys/fardd.toml"
    await 3 d 10.91.0.2:7000
    on d "$fard" status >/dev/null 2>&1 || wrong "status after a rotation"
    await 3 d $node
    stop_boards_keep
    start a --insecure --front-door tcp://10.91.0.1:7000
    for try in $(seq 50); do grep -q 'is at tcp' "$work/a.log" && break; sleep 0.1; done
    says "FARD_KEYS=none" on d timeout 9 "$fard" status --node $node
    FARD_KEYS=none await 1 d $node
}

# A board's address that leads nowhere from the others is said, and nothing is placed there.
astray() {
    ip -n "$name-c" addr add 10.99.0.3/24 dev lo
    ip -n "$name-c" route add 10.91.0.0/24 dev eth0 src 10.91.0.3 2>/dev/null
    for m in a b d; do ip -n "$name-$m" route add unreachable 10.99.0.0/24; done
    start a --insecure --front-door tcp://10.91.0.1:7000
    start b --insecure --front-door tcp://10.91.0.2:7000 --seed 10.91.0.1:7000
    start c --insecure --front-door tcp://10.99.0.3:7000 --seed 10.91.0.1:7000
    await 3 d 10.91.0.1:7000
    sleep 5
    on d "$fard" status --node 10.91.0.1:7000 | grep -q '^c: nothing has come from it' || wrong "status does not say that c is not heard"
    on d "$fard" doctor --quick --node 10.91.0.1:7000 2>/dev/null | grep -q 'hears nothing from c' || wrong "nor does doctor"
    small d 10.91.0.1:7000
    for try in $(seq 60); do grep -q 'nothing comes from board c' "$work/a.log" && break; sleep 0.2; done
    grep -q 'nothing comes from board c at tcp://10.99.0.3' "$work/a.log" || wrong "nor does the log"
    for m in a b d; do ip -n "$name-$m" route del unreachable 10.99.0.0/24; done
    ip -n "$name-c" addr del 10.99.0.3/24 dev lo
}

# A firewall that lets some ports through: enough for a board that keeps to them; the error names the others.
firewall() {
    on c iptables -A INPUT -p tcp --syn -i eth0 -m multiport '!' --dports 7000:7040 -j DROP 2>/dev/null ||
        { echo "firewall: skipped, no iptables"; return; }
    start a --insecure --front-door tcp://10.91.0.1:7000
    start c --insecure --front-door tcp://10.91.0.3:7000 --seed 10.91.0.1:7000 --ports 7001-7040 --label behind
    await 2 d 10.91.0.1:7000
    sed '/^name = "copy1"/a board = "behind"' "$source/apps/copy.toml" >"$work/behind.toml"
    on d timeout 60 "$fard" submit "$work/behind.toml" --chunks 3 --node 10.91.0.1:7000 >/dev/null 2>"$work/err" ||
        wrong "through the open ports: $(tail -2 "$work/err")"
    kill "${children[1]}"; wait "${children[1]}" 2>/dev/null
    start c --insecure --front-door tcp://10.91.0.3:7000 --seed 10.91.0.1:7000 --publisher tcp://10.91.0.3:7001 \
        --heartbeat tcp://10.91.0.3:7002 --label behind
    await 2 d 10.91.0.1:7000
    says "fardd's \`ports\` keeps" on d timeout 60 "$fard" submit "$work/behind.toml" --chunks 3 --node 10.91.0.1:7000
    on c iptables -F INPUT
}

# What passes the switch while the two-stage app runs, searched for the app's and a board's name and for pieces of
# an image.
overheard() { # overheard ADDRESS: prints how many of the words were seen
    small d "$1"  # leaves the prepared images, and the packages where they are wanted
    python3 -c 'import array, sys
image = array.array("f", open(sys.argv[1], "rb").read()[128:128 + 4 * 3072])  # NCHW; NHWC on the wire
image = bytes(int(image[c * 1024 + at]) for at in range(1024) for c in range(3))
words = [b"two_stage_bnn", b"zed-alpha"] + [image[at:at + 24] for at in range(100, 2800, 300)]
print("\n".join(word.hex() for word in words))' "$work/in.npy" >"$work/words"
    ip netns exec "$name-switch" python3 "$source/tests/network/overhear.py" "$work/ready" "$work/seen" "$work/words" &
    local ears=$! try
    for try in $(seq 50); do [[ -e $work/ready ]] && break; sleep 0.1; done
    small d "$1"
    kill $ears && wait $ears
    rm -f "$work/ready"
    cat "$work/seen" >&2
    echo $(($(wc -l <"$work/seen") - 1))
}

# Strangers at every port of boards whose pipeline runs, a member that sends what no member sends, and one who listens.
strangers() {
    start a --name zed-alpha --insecure --front-door tcp://10.91.0.1:7000
    start b --insecure --front-door tcp://10.91.0.2:7000 --seed 10.91.0.1:7000
    await 2 d 10.91.0.1:7000
    [[ $(overheard 10.91.0.1:7000 2>/dev/null) -gt 5 ]] || wrong "without keys one who listens hears nothing: it is deaf"
    stop_boards
    keyed_pair zed-alpha
    join c node --name c --front-door tcp://10.91.0.3:7000
    join d user --name dora
    await 2 d 10.91.0.1:7000
    local seen
    seen=$(overheard 10.91.0.1:7000) || exit 1
    [[ $seen == 0 ]] || wrong "with keys one who listens hears $seen words: $(cat "$work/seen")"

    on d "$fard" submit "$source/apps/two_stage_bnn.toml" --chunks 60000 --node 10.91.0.1:7000 >/dev/null 2>"$work/err" &
    local run=$! m ports key
    sleep 1.5
    key=$(on a "$fard" keys list | grep zed-alpha | grep -oE '[0-9a-f]{64}')
    for m in a b; do
        ports=$(on $m cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == "0A" { sub(/.*:/, "", $2); print $2 }' | sort -u | while read -r port; do echo $((16#$port)); done)
        [[ $(wc -w <<<"$ports") -ge 5 ]] || wrong "only these ports at $m while a pipeline runs: $ports"
        on d python3 "$source/tests/network/strangers.py" scan 10.91.0.$([[ $m == a ]] && echo 1 || echo 2) $ports --server-key "$key" || wrong "strangers are answered at $m"
    done
    grep -q 'refused a connection' "$work/a.log" || wrong "no line in a's log about strangers"
    on c python3 "$source/tests/network/strangers.py" hostile 10.91.0.1 7000 --server-key "$key" \
        --secret "$work/c/.config/fard/keys/key" --hello "$source/tests/golden/wire/010-HELLO.bin" || wrong "hostile HELLOs"
    await 2 d 10.91.0.1:7000
    kill -0 $run 2>/dev/null || wrong "the run beside strangers has ended: $(cat "$work/err")"
    on d "$fard" status --node 10.91.0.1:7000 | grep -q ' running ' || wrong "the run beside strangers does not run any more"
    kill $run
    wait $run 2>/dev/null
}

# A board on a slow wire, each way: 100 and 10 Mbit/s.
slow_wires() {
    ip netns exec "$name-c" tc qdisc add dev eth0 root tbf rate 100mbit burst 32k latency 400ms 2>/dev/null ||
        { echo "slow_wires: skipped, no tbf"; return; }
    ip netns exec "$name-switch" tc qdisc add dev "vc-$$" root tbf rate 100mbit burst 32k latency 400ms
    ip netns exec "$name-b" tc qdisc add dev eth0 root tbf rate 10mbit burst 16k latency 400ms
    ip netns exec "$name-switch" tc qdisc add dev "vb-$$" root tbf rate 10mbit burst 16k latency 400ms
    start a --insecure --front-door tcp://10.91.0.1:7000
    start b --insecure --front-door tcp://10.91.0.2:7000 --seed 10.91.0.1:7000
    start c --insecure --front-door tcp://10.91.0.3:7000 --seed 10.91.0.1:7000
    await 3 d 10.91.0.1:7000
    small d 10.91.0.1:7000
    large d 10.91.0.2:7000
    for m in b c; do
        ip netns exec "$name-$m" tc qdisc del dev eth0 root
        ip netns exec "$name-switch" tc qdisc del dev "v$m-$$" root
    done
}

cases=("$@")
[[ ${#cases[@]} -gt 0 ]] || cases=(insecure ipv6 nat two_networks names keys slips astray firewall slow_wires strangers)
for case in "${cases[@]}"; do
    "$case"
    stop_boards
    echo "right: $case"
done
