#include <fmt/core.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>

#include "base/asio_loop.hpp"
#include "runtime/node_manager/config.hpp"
#include "runtime/node_manager/node_manager.hpp"

namespace {

int complain(const fard::Error& error) {
    fmt::print(stderr, "fardd: {}\n", error.message);
    return fard::exit_code(error.fault);
}

void set_up_process(const fard::Config& config) {
    std::signal(SIGPIPE, SIG_IGN);
    spdlog::set_default_logger(spdlog::stderr_logger_mt(config.name));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
    spdlog::set_level(spdlog::level::from_str(config.log_level));
}

}  // namespace

int main(int argc, char** argv) {
    const auto config = fard::read_config({argv + 1, argv + argc});
    if (!config) return complain(config.error());
    if (!config->text.empty()) return fmt::print("{}", config->text), 0;
    set_up_process(*config);

    fard::AsioLoop loop;
    loop.on_signals([&](int) { loop.stop(); });
    const auto manager = fard::NodeManager::start(loop, *config, [&] { loop.stop(); });
    if (!manager) return complain(manager.error());
    loop.run();
    return 0;
}
