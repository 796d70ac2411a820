#include "runtime/node_manager/logging.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <mutex>

#include "base/line_writer.hpp"
#include "base/printable.hpp"

namespace fard {

namespace {

class WriterSink final : public spdlog::sinks::base_sink<std::mutex> {
  private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        writer_.write(printable_text({line.data(), line.size()}));  // names of others are in it
    }
    void flush_() override {}

    LineWriter writer_{STDERR_FILENO};
};

}  // namespace

void start_logging(const std::string& name, const std::string& level) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(name, std::make_shared<WriterSink>()));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
    spdlog::set_level(spdlog::level::from_str(level));
}

}  // namespace fard
