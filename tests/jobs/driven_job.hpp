// A real job process, driven by hand over its control channel as a node manager would: for tests and
// benchmarks.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/control_channel.hpp"
#include "runtime/peer/job_page.hpp"
#include "runtime/peer/messages.hpp"

namespace fard::testing {

// The process is killed and reaped at the end of its owner's life.
class DrivenJob {
  public:
    // `more`: descriptors that it has besides, by their numbers there; they stay the caller's.
    static Result<DrivenJob> start(const std::filesystem::path& program, const std::map<int, int>& more = {});
    DrivenJob(DrivenJob&& other) noexcept;
    DrivenJob& operator=(DrivenJob&&) = delete;
    ~DrivenJob();

    Result<> tell(const wire::Body& body) { return control_->tell(body); }

    void tell_raw(std::string_view packet) const;  // any bytes

    // The next message but for what it says of its device, which must be a Message. Errors: failed (it is another one: JOB_FAILED's reason),
    // timed_out.
    template <typename Message>
    Result<Message> hear(Duration patience = std::chrono::seconds(10)) {
        for (;;) {
            auto body = hear_any(patience);
            if (!body) return fail(body.error());
            if (auto* message = body->as<Message>()) return std::move(*message);
            if (!body->is<wire::JobDevice>()) return unexpected(*body);
        }
    }

    int wait();  // for its end; the status of waitpid
    void kill(int signal);
    void hang_up() { control_.reset(); }  // as if the node manager were gone
    pid_t pid() const { return pid_; }
    const JobPage& page() const { return *page_; }

  private:
    DrivenJob() = default;
    Result<wire::Body> hear_any(Duration patience);
    static tl::unexpected<Error> unexpected(const wire::Body& body);

    pid_t pid_ = -1;
    std::unique_ptr<ControlChannel> control_;
    JobPage* page_ = nullptr;
};

// JOB_CONFIG of one of several jobs in a row that copy chunks of the same tensors.
wire::JobConfig copy_config(std::uint32_t position, std::uint32_t positions,
                            const std::vector<TensorDesc>& tensors, const std::string& transport,
                            const std::string& place, std::uint64_t link_bytes);

}  // namespace fard::testing
