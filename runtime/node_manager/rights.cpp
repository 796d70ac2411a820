#include "runtime/node_manager/rights.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fard {
namespace {

// One that is there already stays whose it is.
Result<> make_for(const std::filesystem::path& directory, const passwd& user) {
    std::error_code ignored;
    std::filesystem::create_directories(directory.parent_path(), ignored);
    if (::mkdir(directory.c_str(), 0700) != 0) return {};  // what is wrong with it is said when it is taken
    if (::chown(directory.c_str(), user.pw_uid, user.pw_gid) == 0) return {};
    return fail(Fault::io, "user: {} cannot be given to '{}': {}", directory.string(), user.pw_name, std::strerror(errno));
}

}  // namespace

Result<> give_up_rights(const Config& config) {
    if (config.user.empty()) return {};
    const auto* user = ::getpwnam(config.user.c_str());
    if (!user) return fail(Fault::invalid_input, "user: there is no user '{}'", config.user);
    if (user->pw_uid == ::geteuid()) return {};
    if (::geteuid() != 0) return fail(Fault::refused, "user: only root can go on as '{}'", config.user);
    for (const auto* directory : {&config.state_dir, &config.runtime_dir})
        if (auto made = make_for(*directory, *user); !made) return made;
    if (::initgroups(user->pw_name, user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)
        return fail(Fault::io, "user: cannot go on as '{}': {}", config.user, std::strerror(errno));
    if (::setuid(0) == 0) return fail(Fault::failed, "user: '{}' can become root again", config.user);
    // The kernel hides a process that changed its user from its own files in /proc; one with keys stays hidden.
    if (config.keys.empty()) ::prctl(PR_SET_DUMPABLE, 1);
    return {};
}

}  // namespace fard
