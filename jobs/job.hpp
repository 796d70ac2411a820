// What an application programmer writes: a job is a class with process(chunk) and one line of main.
//
//   class Invert final : public fard::Job {
//       fard::Result<> parse_config(const fard::JobConfig& config) override;   // read params
//       fard::Result<fard::Chunk> process(fard::Chunk chunk) override;
//   };
//   int main(int argc, char** argv) {
//       return fard::run_job(argc, argv, [] { return std::make_unique<Invert>(); }, fard::Parking::allowed);
//   }
//
// Life of a job: started by its node manager -> parse_config -> wired -> process, once per chunk -> gone when
// the run is drained, cancelled, or its node manager ends. All calls come from one thread, one at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/peer/link.hpp"

namespace fard {

class Conveyor;

struct JobConfig {
    RunId run;
    Epoch epoch;
    std::string app;
    std::string board;
    std::string name;  // of the position
    struct Pipeline {
        std::uint32_t position = 0;  // 0 is fed by the run's input
        std::uint32_t positions = 1;
        std::uint32_t replica = 0;
        std::uint32_t replicas = 1;
        // With parallel parts `replica` is the number of the part, and `outputs` are its channels alone.
        std::uint32_t parts = 0;  // of the position; 0: none
    } pipeline;
    std::vector<TensorDesc> inputs;             // of each chunk that process gets
    std::vector<TensorDesc> outputs;            // of each chunk that it must return
    std::map<std::string, std::string> params;  // the app file's settings for this position
    std::string package_dir;                    // the overlay, verified, "" if none
    std::string device_id;                      // the reserved device
    std::string device_kind;                    // "soft", ...
    std::uint32_t slot = 0;                     // which of the device's
    int device_fd = -1;                         // what the node manager gives with the device; -1: nothing
    bool turns = false;                         // others have the slot, too: the device is the job's in its turns only
};

class Job {
  public:
    virtual ~Job() = default;

    // Called once before any chunk. An Error whose fault is failed, invalid_input or unsupported (or an exception)
    // ends the run with its message; any other one (io, timed_out, corrupt, ...) is this board's trouble, and the
    // run goes on with another job. An override calls the base first, which keeps the configuration.
    virtual Result<> parse_config(const JobConfig& config);

    // One chunk in, one chunk out: a function of the chunk alone (a chunk may be sent again after a loss).
    // The result keeps the chunk's index. An Error or an exception ends the run; one whose fault is io, timed_out or
    // unreachable is the device's or the board's, and the chunk goes to another job.
    virtual Result<Chunk> process(Chunk chunk) = 0;

    // The device that works on the chunks instead of process(), which is then not called; nullptr: there is none. Asked once,
    // after parse_config. See OverlayJob.
    virtual Conveyor* conveyor() { return nullptr; }

    // Only where JobConfig::turns is set: the device is the job's from here on, and chunks follow; and from here on it is not, until
    // the next turn. No chunk is in it then. Errors as those of parse_config.
    virtual Result<> begin_turn() { return {}; }
    virtual void end_turn() {}

    const JobConfig& config() const { return config_; }

  private:
    JobConfig config_;
};

// Whether a node manager may keep the program loaded between runs (docs/fardd.md, "Parked job programs"). Then run_job may
// return to each of many processes that are copies of one that has called it, each with a job of its own. A program allows it
// if that is all the same to it: before it calls run_job, the constructors of its globals included, it starts no thread, opens
// nothing, and takes no time, random number or process id that a run goes by.
enum class Parking { never, allowed };

// Runs a job as its own process until it is drained; returns the exit code. Descriptor 3 is the control
// channel to the node manager; started by hand it says so and returns 2.
//
// `prepare` (optional, for programs that may be parked): makes ready in a parked program what each of its jobs with the overlay in that
// directory begins with, so that it need not; see prepare_overlay. It leaves no thread and nothing open behind. Where it fails the program ends.
int run_job(int argc, char** argv, const std::function<std::unique_ptr<Job>()>& make, Parking parking = Parking::never,
            const std::function<Result<>(const std::string& package_dir)>& prepare = {});

}  // namespace fard
