// fard-board-helper: what needs rights on a board's fabric (board_helper.hpp). People do not start it:
//
//   fard-board-helper --child          by fardd: descriptor 3 is the channel, 4 the fabric's description
//   fard-board-helper --config FILE    by systemd, with a listening socket as descriptor 3; FILE is fardd's configuration
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "base/process.hpp"
#include "overlays/helper/board_helper.hpp"
#include "overlays/helper/confine.hpp"
#include "overlays/package/files.hpp"
#include "overlays/zynq/known_boards.hpp"
#include "overlays/zynq/setup_text.hpp"

namespace {

using namespace fard;

constexpr int channel_fd = 3, setup_fd = 4;
constexpr unsigned pause_us = 200'000;  // between a death and the next life

int complain(const Error& error) {
    fmt::print(stderr, "fard-board-helper: {}\n", error.message);
    return exit_code(error.fault);
}

int serve(const zynq::FabricSetup& setup) {
    const auto host = zynq::linux_host();
    helper::BoardHelper(*host, setup).serve(channel_fd);
    return 0;
}

// The process that has the channel starts the one that works anew when it dies: fardd could not, once it has given up its
// rights.
int serve_parent() {
    const auto setup = zynq::read_setup(setup_fd);
    if (!setup) return complain(setup.error());
    for (;;) {
        const pid_t worker = ::fork();
        if (worker == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            return serve(*setup);
        }
        int status = 0;
        if (worker < 0 || ::waitpid(worker, &status, 0) != worker) return complain({Fault::io, "cannot start a process"});
        if (WIFEXITED(status)) return WEXITSTATUS(status);
        fmt::print(stderr, "board helper: died by signal {}; it is started anew\n", WTERMSIG(status));
        ::usleep(pause_us);
    }
}

// One node manager after the other.
int serve_listeners(const char* file) {
    const auto text = read_regular_file(file, std::uint64_t{1} << 20);
    if (!text) return complain(text.error());
    auto setup = zynq::setup_in_config(*text, file);
    if (!setup) return complain(setup.error());
    const auto host = zynq::linux_host();
    if (setup->part.empty()) setup->part = zynq::find_board(*host, setup->roots).part;
    helper::BoardHelper helper(*host, *setup);
    for (;;) {
        const OwnedFd channel(::accept4(channel_fd, nullptr, nullptr, SOCK_CLOEXEC));
        if (channel.get() >= 0) helper.serve(channel.get(), channel_fd);
        else if (errno != EINTR && errno != ECONNABORTED) return complain({Fault::io, "descriptor 3 is no socket that listens"});
    }
}

}  // namespace

int main(int argc, char** argv) {
    prepare_process();
    if (const auto confined = helper::confine(); !confined) return complain(confined.error());
    const std::string_view how = argc > 1 ? argv[1] : "";
    if (how == "--child" && argc == 2) return serve_parent();
    if (how == "--config" && argc == 3) return serve_listeners(argv[2]);
    fmt::print(stderr, "fard-board-helper is started by fardd, or by systemd (docs/overlays.md)\n");
    return 2;
}
