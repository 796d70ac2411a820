#include "overlays/helper/confine.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace fard::helper {
namespace {

using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

constexpr unsigned long kept = CAP_DAC_READ_SEARCH;

tl::unexpected<Error> cannot(const char* what) {
    return fail(Fault::io, "the board helper cannot give up its rights ({}): {}", what, std::strerror(errno));
}

bool has(const Sets& sets, unsigned long capability) {
    return (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

// What a program that is started could have at most. Only who has CAP_SETPCAP can lower it; to all others no_new_privs is enough.
Result<> empty_bounds(const Sets& own) {
    if (!has(own, CAP_SETPCAP)) return {};
    for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0UL, 0UL, 0UL) >= 0; ++capability)
        if (capability != kept && ::prctl(PR_CAPBSET_DROP, capability, 0UL, 0UL, 0UL) != 0) return cannot("bounding set");
    return {};
}

}  // namespace

Result<> confine() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    Sets own{};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0) return cannot("no_new_privs");
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL) != 0) return cannot("ambient capabilities");
    if (::syscall(SYS_capget, &header, own.data()) != 0) return cannot("capget");
    if (auto emptied = empty_bounds(own); !emptied) return emptied;
    Sets left{};
    if (has(own, kept))
        left[CAP_TO_INDEX(kept)].effective = left[CAP_TO_INDEX(kept)].permitted = CAP_TO_MASK(kept);
    if (::syscall(SYS_capset, &header, left.data()) != 0) return cannot("capset");
    if (::prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) != 0) return cannot("dumpable");
    return {};
}

}  // namespace fard::helper
