// A job that goes wrong as its params say, and copies chunks otherwise. With INDEX the index of a chunk:
//   kill_at=INDEX   dies by SIGKILL            abort_at=INDEX  dies by SIGABRT
//   throw_at=INDEX  process throws             fail_at=INDEX   process returns an Error
//   hang_at=INDEX   process never returns      short_at=INDEX  the result has too few bytes
//   slow_ms=MS      each chunk takes MS        refuse=TEXT     parse_config returns an Error
//   print=TEXT      prints TEXT on standard output for each chunk
//   once=FILE       goes wrong only if FILE could be made anew, so once over all attempts
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "jobs/job.hpp"

namespace {

class Faulty final : public fard::Job {
  public:
    fard::Result<> parse_config(const fard::JobConfig& config) override {
        if (auto kept = Job::parse_config(config); !kept) return kept;
        if (const auto refuse = config.params.find("refuse"); refuse != config.params.end())
            return fard::fail(fard::Fault::failed, "{}", refuse->second);
        return {};
    }

    fard::Result<fard::Chunk> process(fard::Chunk chunk) override {
        std::this_thread::sleep_for(std::chrono::milliseconds(number("slow_ms", 0)));
        if (const auto text = config().params.find("print"); text != config().params.end())
            std::puts(text->second.c_str());
        if (is_due("kill_at", chunk)) {
            fmt::print(stderr, "about to be killed by chunk {}\n", chunk.index);
            ::kill(::getpid(), SIGKILL);
        }
        if (is_due("abort_at", chunk)) std::abort();
        if (is_due("throw_at", chunk))
            throw std::runtime_error(fmt::format("cannot stand chunk {}", chunk.index));
        if (is_due("fail_at", chunk))
            return fard::fail(fard::Fault::failed, "will not have chunk {}", chunk.index);
        while (is_due("hang_at", chunk))
            std::this_thread::sleep_for(std::chrono::hours(1));
        if (is_due("short_at", chunk)) chunk.tensors[0] = fard::Frame(std::string_view("?"));
        return chunk;
    }

  private:
    std::uint64_t number(const char* name, std::uint64_t otherwise) const {
        const auto found = config().params.find(name);
        if (found == config().params.end()) return otherwise;
        std::uint64_t value = otherwise;
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
        return value;
    }

    bool is_due(const char* name, const fard::Chunk& chunk) const {
        if (number(name, ~0ull) != chunk.index) return false;
        const auto once = config().params.find("once");
        return once == config().params.end() ||
               ::open(once->second.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600) >= 0;
    }
};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<Faulty>(); }, fard::Parking::allowed, [](const std::string& overlay) -> fard::Result<> {
        if (overlay == "/slow") std::this_thread::sleep_for(std::chrono::seconds(20));
        if (overlay == "/bad") return fard::fail(fard::Fault::corrupt, "cannot be made ready");
        return {};
    });
}
