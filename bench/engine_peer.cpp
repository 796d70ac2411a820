#include "bench/engine_peer.hpp"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace fard::bench {

Result<OrtPeer> OrtPeer::start(const std::filesystem::path& package, const std::filesystem::path& script) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(Fault::io, "no socket pair for the peer");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    std::string words[] = {"node", script.string(), std::filesystem::absolute(package).string()};
    char* args[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    OrtPeer peer;
    const int error = ::posix_spawnp(&peer.pid_, "node", &actions, nullptr, args, environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    peer.to_ = ::fdopen(ends[0], "w");
    peer.from_ = ::fdopen(::dup(ends[0]), "r");
    if (error != 0) return fail(Fault::io, "node cannot be started");
    return peer;
}

OrtPeer::OrtPeer(OrtPeer&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      to_(std::exchange(other.to_, nullptr)),
      from_(std::exchange(other.from_, nullptr)) {}

OrtPeer::~OrtPeer() {
    if (from_) std::fclose(from_);
    if (to_) std::fclose(to_);  // the end of its input ends it
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

Result<std::vector<double>> OrtPeer::measure(const std::filesystem::path& model, int count) {
    std::fprintf(to_, "%s %d\n", std::filesystem::absolute(model).c_str(), count);
    std::fflush(to_);
    std::string line;
    for (int c; (c = std::fgetc(from_)) != EOF && c != '\n';)
        line += static_cast<char>(c);
    const auto answer = nlohmann::json::parse(line, nullptr, false);
    if (answer.is_discarded()) return fail(Fault::io, "the peer ended");
    if (answer.is_object()) return fail(Fault::failed, "the peer: {}", answer.value("error", "?"));
    return answer.get<std::vector<double>>();
}

}  // namespace fard::bench
