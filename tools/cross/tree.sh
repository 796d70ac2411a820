# Sourced by tools/cross/check and tools/packages, behind tools/prepare.sh: a build for a board's processor. Functions only.

# cross_tree ARCH SYSROOT DIRECTORY [MESON OPTION]...: installs the compiler, unpacks the target's libraries, configures once.
# `packages` says what is needed besides.
cross_tree() {
    local arch=$1 sysroot=$2 directory=$3 compiler package
    shift 3
    case $arch in
        armhf) compiler=g++-arm-linux-gnueabihf ;;
        arm64) compiler=g++-aarch64-linux-gnu ;;
        *) say "no compiler is known for $arch"; return 2 ;;
    esac

    # The libraries of the target: what the build needs on this machine, and what comes with a compiler.
    local libraries=(libc6-dev libstdc++-12-dev)
    for package in "${packages[@]}"; do
        if [[ $package == *-dev ]]; then libraries+=("$package"); fi
    done
    packages=(meson ninja-build pkg-config python3 libonnx-testdata mmdebstrap qemu-user-static "$compiler")
    install_missing

    # Debian's packages, unpacked and not installed: nothing of the target runs, and this machine's own packages stay as
    # they are. The security archive is left out: its lists for ports are at times out of step.
    if [[ ! -e $sysroot/usr/include ]]; then
        say "Unpacking the libraries for $arch into $sysroot"
        mkdir -p "$(dirname "$sysroot")"
        mmdebstrap --quiet --variant=extract --architecture="$arch" --include="$(IFS=,; echo "${libraries[*]}")" \
            bookworm "$sysroot" "deb http://deb.debian.org/debian bookworm main" \
            "deb http://deb.debian.org/debian bookworm-updates main" >&2
    fi
    rm -rf "$sysroot"/{dev,tmp,var}  # qemu-user would take them for this machine's

    if [[ ! -f $directory/build.ninja ]]; then
        mkdir -p "$directory"
        printf "[constants]\nsysroot = '%s'\n" "$sysroot" >"$directory/sysroot.ini"
        meson setup "$directory" "$root" --cross-file "$directory/sysroot.ini" --cross-file "$root/tools/cross/$arch.ini" \
            -Dbench=false "$@" >&2
    fi
}
