// Boards of their own on a network of their own: one network namespace for each node manager and one for the client, on
// a bridge. The addresses are of the loopback range, so nothing needs keys, yet every packet crosses a cable that can be
// pulled. Needs root.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace fard::soak {

class Lan {
  public:
    // Makes the namespaces and moves the calling thread, and with it every thread that it starts later, into the
    // client's. Errors: io (not permitted, or `ip` is missing).
    static Result<std::unique_ptr<Lan>> make(int boards, const std::filesystem::path& state);
    ~Lan();  // ends the boards, removes the namespaces
    Lan(const Lan&) = delete;
    Lan& operator=(const Lan&) = delete;

    Result<> start_board(int board, const std::filesystem::path& fardd, int slots);
    std::string door(int board) const;  // boards count from 1
    pid_t node_manager(int board) const { return pids_.at(static_cast<std::size_t>(board)); }
    int boards() const { return static_cast<int>(pids_.size()) - 1; }

    void cable(int board, bool in);
    void cut(int one, int other, bool apart);  // packets between the two are swallowed

    struct Connection {
        std::string local, remote;  // ADDRESS:PORT
        std::vector<pid_t> owners;
    };
    // Established TCP connections of a board (0: of the client).
    std::vector<Connection> connections(int board) const;
    void reset(int board, const Connection& connection);

  private:
    explicit Lan(int boards, std::filesystem::path state);
    Result<> build();
    std::string name(int board) const;
    std::string inside(int board) const;  // "ip netns exec ... "

    std::filesystem::path state_;
    std::vector<pid_t> pids_;  // by board; [0] is the client's place
};

// What a command prints on standard output.
std::string output_of(const std::string& command);

}  // namespace fard::soak
