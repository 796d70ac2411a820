// fard down: the end of the local cluster that `fard up` started.
#include <cstdio>

#include "cli/commands.hpp"
#include "client/cluster_files.hpp"
#include "client/local_cluster.hpp"

namespace fard::cli {
namespace {

CommandSpec spec() {
    return {
        "down", "end the local cluster", {}, {{"timeout", "S", "wait S seconds for its boards to end (10)"}}};
}

Result<> down(const Options& options) {
    const auto timeout = options.number("timeout", 10, 1, 3600);
    if (!timeout) return fail(timeout.error());
    const auto ended = take_down_cluster(user_cluster_directory(), std::chrono::seconds(*timeout));
    if (!ended) return fail(ended.error());
    fmt::print("{} boards are down\n", *ended);
    return {};
}

}  // namespace

Command down_command() {
    return {spec(), down};
}

}  // namespace fard::cli
