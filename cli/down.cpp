// fard down: the end of the local cluster that `fard up` started.
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "client/cluster_files.hpp"
#include "client/local_cluster.hpp"

namespace fard::cli {
namespace {

CommandSpec spec() {
    return {
        "down", "end the local cluster", {}, {{"timeout", "TIME", "wait that long for its boards to end (10s)"}}};
}

Result<> down(const Options& options) {
    const auto timeout = options.duration("timeout", std::chrono::seconds(10), std::chrono::hours(1));
    if (!timeout) return fail(timeout.error());
    const auto ended = take_down_cluster(user_cluster_directory(), *timeout);
    if (!ended) return fail(ended.error());
    out("{} boards are down\n", *ended);
    return {};
}

}  // namespace

Command down_command() {
    return {spec(), down};
}

}  // namespace fard::cli
