#include <unistd.h>

#include <cstdio>
#include <new>

#include "base/asio_loop.hpp"
#include "base/out_of_memory.hpp"
#include "base/printable.hpp"
#include "base/process.hpp"
#include "base/supervisor.hpp"
#include "runtime/node_manager/config.hpp"
#include "runtime/node_manager/logging.hpp"
#include "runtime/node_manager/node_manager.hpp"

namespace {

int complain(const fard::Error& error) {
    const auto line = fard::printable_text("fardd: " + error.message + "\n");
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return fard::exit_code(error.fault);  // nobody to tell
    return fard::exit_code(error.fault);
}

int answer(const std::string& text) {
    const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    return written ? 0 : complain({fard::Fault::io, "cannot write to standard output"});
}

}  // namespace

int main(int argc, char** argv) {
    const auto parent = fard::find_parent();
    fard::prepare_process();
    const auto supervisor = fard::Supervisor::from_environment();
    auto config = fard::read_config({argv + 1, argv + argc});
    if (!config) return complain(config.error());
    if (!config->text.empty()) return answer(config->text);
    config->parent = parent;
    fard::raise_descriptor_limit();
    fard::end_when_out_of_memory("fardd: there is not enough memory to start; free some, or raise the limit (ulimit -v)\n");
    if (auto room = fard::NodeManager::check_room(); !room) return complain(room.error());
    fard::start_logging(config->name, config->log_level);

    fard::AsioLoop loop;
    loop.on_signals([&](int) { loop.stop(); });
    const auto manager = fard::NodeManager::start(loop, *config, [&] { loop.stop(); });
    if (!manager) return complain(manager.error());
    std::set_new_handler(nullptr);  // from here on a message that is too large is no reason to end
    supervisor.tell("READY=1\nSTATUS=board " + config->name + " at " + (*manager)->front_door().text());
    loop.run();
    supervisor.tell("STOPPING=1");
    return 0;
}
