// A real loop and a directory for ipc sockets, for tests with real sockets.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>

#include "base/asio_loop.hpp"
#include "runtime/peer/socket.hpp"
#include "tests/patience.hpp"

namespace fard {

class SocketDirectory {
  public:
    SocketDirectory() {
        char name[] = "/tmp/fard-test-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        path_ = name;
    }
    ~SocketDirectory() { std::filesystem::remove_all(path_); }
    Endpoint endpoint(const std::string& name) const { return Endpoint::ipc(path_ + "/" + name).value(); }
    Address address(const std::string& name) const { return {endpoint(name), {}}; }

  private:
    std::string path_;
};

// Runs the loop until `done`, looking each millisecond; false when `limit` has passed.
template <typename Done>
bool run_until(AsioLoop& loop, Done done, Duration limit = patience(std::chrono::seconds(10))) {
    const auto end = loop.now() + limit;
    bool result = false;
    std::function<void()> look = [&] {
        result = done();
        if (result || loop.now() >= end)
            loop.stop();
        else
            loop.call_after(std::chrono::milliseconds(1), look);
    };
    loop.post(look);
    loop.run();
    return result;
}

}  // namespace fard
