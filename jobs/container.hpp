// What runs a Job as its process: the control channel, the links, the clock of its chunks.
//
//   JOB_CONFIG -> bind, JOB_UP -> parse_config -> JOB_CONNECT, LINK_OPENs -> JOB_LINKED -> chunks ->
//   JOB_DRAIN; a device loads beside that
//       -> JOB_DRAINED, 0
//   an error anywhere -> JOB_FAILED, 3;   the node manager gone -> 1
//
// A job that shares its slot with others gathers its chunks all the time, and computes in the turns that its node manager
// gives it: container_turns.cpp.
//
// One thread. While process() runs nothing else does; the node manager sees in the JobPage since when. Chunks that are in
// a device (jobs/conveyor.hpp) wait for it together with the links: container_device.cpp.
#pragma once

#include <poll.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "jobs/control_channel.hpp"
#include "jobs/conveyor.hpp"
#include "jobs/interrupts.hpp"
#include "jobs/job.hpp"
#include "jobs/turn_state.hpp"
#include "runtime/emulated/board_pacer.hpp"
#include "runtime/peer/body.hpp"
#include "runtime/peer/inlet.hpp"
#include "runtime/peer/job_page.hpp"
#include "runtime/peer/messages_job.hpp"
#include "runtime/peer/outlet.hpp"

namespace fard {

class Container {
  public:
    struct Parked {  // what the node manager is told
        bool allowed = false;   // the program may be parked
        bool prepares = false;  // it then makes an overlay ready
    };
    // `page` outlives the container.
    Container(ControlChannel control, JobPage& page, std::unique_ptr<Job> job, Parked parked);

    int run();  // until the end of the job; returns its exit code

  private:
    using Nanoseconds = std::uint64_t;

    Result<> live();  // an error is the job's failure, or the loss of the node manager
    Result<wire::JobConfig> await_config();
    Result<> bind_links(const wire::JobConfig& message);
    Result<> bind_inlet(const wire::JobConfig& message, wire::JobUp& up);
    Result<> keep_pace(const wire::JobConfig& message);
    Result<> configure();
    Result<> pump();

    Result<> pump_device();  // while chunks are in a device, or it loads
    Result<> look_at_device();
    bool device_has_work() const;
    Result<bool> move_chunks();
    Result<bool> take_result();
    Result<bool> take_input();
    Result<> enter(Chunk chunk);
    void show_oldest();
    void wait_for_device();

    Result<> pump_turns();
    Result<> take_turn(const wire::JobTurn& turn);
    TurnState::Around around();
    Result<bool> gather();
    Result<bool> go_on();
    void keep_result();
    Result<> start_one();
    bool send_results();
    void wait_for_turn();

    Result<> look_around();  // at the control channel, the clocks and the links' connections
    Result<> look_at_links();
    Result<> obey(const wire::Body& message);
    Result<> connect(const wire::JobConnect& message);
    Result<> settle_links();  // LINK_OPEN out, LINK_OPEN in, JOB_LINKED

    Result<bool> take();  // a chunk into chunk_, if one is there, or waiting for it where there is but one link
    Result<bool> await_chunk();
    Result<> compute();  // chunk_ -> process -> chunk_
    Result<Chunk> work(Chunk chunk);
    Result<> finish(Result<Chunk> result, std::uint64_t index, std::unique_ptr<Frame> header, std::vector<TraceStamp> trace,
                    Nanoseconds started);
    bool fits_out() const;
    bool push();

    void wait_for_input();
    void wait_for_credit();
    void watch(int fd);
    void poll_watched(bool wants_input);
    wire::JobStats totals() const;
    template <typename Wait>
    void wait(Wait wait);  // wait() blocks until something is there, or a signal comes
    void credit_due();
    void flush_credits();

    ControlChannel control_;
    Interrupts interrupts_;
    JobPage& page_;
    std::unique_ptr<Job> job_;
    const Parked parked_;
    std::optional<SocketFactory> sockets_;  // from JOB_CONFIG on
    JobConfig config_;
    LinkTerms in_, out_;
    std::unique_ptr<BoardPacer> pacer_;  // of an emulated board
    Inlet inlet_;
    Outlet outlet_;
    Outlet::To to_ = Outlet::To::any;
    Spread spread_;
    bool linked_ = false;         // JOB_LINKED is told
    bool links_settled_ = false;  // and every LINK_OPEN of ours is out
    std::string broken_;          // the link that was lost, "" if none was
    Nanoseconds broken_since_ = 0;
    bool draining_ = false;

    Chunk chunk_;                    // the one that is here; its memory is used again
    bool holding_ = false;           // chunk_ is a result that waits to be pushed
    bool blocked_ = false;           // there was no room when a result was to be pushed last
    TimePoint room_from_{};          // when there was room again after that; only with a pacer_
    bool streaming_ = false;         // the last chunk was there already: the next one may be, too
    bool waited_for_ = false;        // chunk_ was: nothing was there before it

    Conveyor* conveyor_ = nullptr;   // the job's
    bool device_loaded_ = false;
    Nanoseconds load_began_ = 0;
    struct Inside {  // what a chunk had when it went into the device
        std::uint64_t index = 0;
        std::unique_ptr<Frame> header;
        std::vector<TraceStamp> trace;
        Nanoseconds received = 0, started = 0;
    };
    std::deque<Inside> inside_;  // the oldest first
    Nanoseconds last_result_ = 0;

    TurnState turn_;                    // at a slot that others have, too
    std::deque<Chunk> inbox_, outbox_;  // chunks that wait for a turn; results that wait for room behind us

    bool uncredited_ = false;     // chunks are taken that their senders have not been told of
    std::vector<pollfd> polled_;  // memory for waits

    wire::JobStats stats_;
    std::vector<std::size_t> sizes_out_;  // bytes of each tensor of a result
    std::size_t chunk_bytes_out_ = 0;     // of all of them
    Nanoseconds now_ = 0;                 // CLOCK_MONOTONIC, as last read
    Nanoseconds last_look_ = 0;
    Nanoseconds last_link_look_ = 0;
    Nanoseconds last_credit_ = 0;  // for less than half a window
    bool look_due_ = true;
    Nanoseconds realtime_offset_ = 0;  // CLOCK_REALTIME - CLOCK_MONOTONIC
};

}  // namespace fard
