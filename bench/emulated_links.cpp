#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <thread>

#include "bench/emulated.hpp"
#include "bench/measure.hpp"
#include "runtime/emulated/board_pacer.hpp"
#include "tests/scratch_dir.hpp"

namespace fard::bench {
namespace {

LinkTerms image_terms(std::uint32_t number) {
    LinkTerms terms;
    terms.run = {"00112233445566778899aabbccddeeff"};
    terms.epoch = {number, 0};
    terms.tensors = {{.name = "image", .shape = {1, image_bytes}, .layout = "NC", .type = DataType::uint(8), .declared = "UINT8"}};
    terms.budget_bytes = 8 * terms.chunk_bytes();
    return terms;
}

// Until a descriptor is readable, or until that time, if there is one; a moment at most.
void wait_for(std::vector<pollfd>& polled, TimePoint until) {
    constexpr Duration longest = std::chrono::milliseconds(20);
    const auto left = until == TimePoint{} ? longest : std::clamp<Duration>(until - BenchClock::now(), Duration::zero(), longest);
    const timespec patience{.tv_sec = 0, .tv_nsec = static_cast<long>(left.count())};
    ::ppoll(polled.data(), polled.size(), &patience, nullptr);
}

// Sends images until it is told to stop, or its link breaks.
Result<> send_images(const wire::LinkEndpoint& to, std::uint32_t number, Pacer* pacer, const std::atomic<bool>& stop) {
    ::prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
    SocketFactory sockets{Identity::local()};
    auto sender = LinkSender::connect(sockets, to, image_terms(number), "0/0", pacer);
    if (!sender) return fail(sender.error());
    for (std::uint64_t index = 0; !stop && !sender->lost();) {
        sender->flush_paced();
        Chunk chunk;
        chunk.index = index;
        chunk.tensors.emplace_back(static_cast<std::size_t>(image_bytes));
        chunk.trace.resize(1);
        if (sender->open() && sender->send(chunk)) {
            ++index;
            continue;
        }
        sender->poll_credit();
        std::vector<pollfd> polled{{sender->blocked_fd(), POLLIN, 0}};
        wait_for(polled, sender->paced_until());
    }
    return {};
}

// A board that sends images as fast as its own port lets it.
class Source {
  public:
    Source(BoardMemory memory, wire::LinkEndpoint to, std::uint32_t number)
        : pacer_(std::move(memory)),
          thread_([this, to = std::move(to), number] { static_cast<void>(send_images(to, number, &pacer_, stop_)); }) {}
    ~Source() {
        stop_ = true;
        thread_.join();
    }

  private:
    BoardPacer pacer_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

Result<std::vector<LinkReceiver>> bind_links(SocketFactory& sockets, const std::string& place, std::size_t flows, Pacer* pacer) {
    std::vector<LinkReceiver> receivers;
    for (std::size_t i = 0; i < flows; ++i) {
        auto receiver = LinkReceiver::bind(sockets, place, image_terms(static_cast<std::uint32_t>(i)), pacer);
        if (!receiver) return fail(receiver.error());
        receivers.push_back(std::move(*receiver));
    }
    return receivers;
}

// The rate from when the flows have run in.
Result<Flow> take_images(std::vector<LinkReceiver> links, int chunks) {
    ::prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
    const int warm = static_cast<int>(links.size()) * 12;
    std::vector<int> by_flow(links.size(), 0);
    BenchClock::time_point start;
    for (int taken = 0; taken < warm + chunks;) {
        bool any = false;
        for (std::size_t i = 0; i < links.size(); ++i) {
            Chunk chunk;
            const auto received = links[i].receive(chunk);
            if (!received) return fail(received.error());
            if (!*received) continue;
            any = true;
            links[i].taken();
            if (++taken == warm) start = BenchClock::now();
            if (taken > warm && taken <= warm + chunks) ++by_flow[i];
        }
        if (any) continue;
        std::vector<pollfd> polled;
        auto until = TimePoint{};
        for (auto& link : links) {
            link.flush_credit();
            polled.push_back({link.fd(), POLLIN, 0});
            until = earlier(until, link.paced_until());
        }
        wait_for(polled, until);
    }
    const auto seconds = std::chrono::duration<double>(BenchClock::now() - start).count();
    return Flow{chunks / seconds, static_cast<double>(*std::ranges::min_element(by_flow)) / chunks};
}

}  // namespace

std::uint64_t image_chunk_bytes() {
    return image_terms(0).chunk_bytes();
}

Result<Flow> flow_from(std::size_t boards, const BoardProfile& profile, Pacer& pacer, int chunks) {
    const ScratchDir directory;
    SocketFactory sockets{Identity::local()};
    auto receivers = bind_links(sockets, "ipc:" + directory.path().string(), boards, &pacer);
    if (!receivers) return fail(receivers.error());
    std::deque<Source> sources;
    for (std::size_t i = 0; i < boards; ++i) {
        auto memory = BoardMemory::make(profile, {});
        if (!memory) return fail(memory.error());
        sources.emplace_back(std::move(*memory), (*receivers)[i].endpoint(), static_cast<std::uint32_t>(i));
    }
    return take_images(std::move(*receivers), chunks);
}

Result<Flow> serve_sink(const std::string& place, std::size_t flows, int chunks) {
    SocketFactory sockets{Identity::local()};
    auto receivers = bind_links(sockets, place, flows, nullptr);
    if (!receivers) return fail(receivers.error());
    for (const auto& receiver : *receivers)
        fmt::print("{} {}\n", receiver.endpoint().data, receiver.endpoint().credit);
    std::fflush(stdout);
    return take_images(std::move(*receivers), chunks);
}

Result<> serve_source(const wire::LinkEndpoint& to, std::uint32_t number) {
    const std::atomic<bool> never{false};
    return send_images(to, number, nullptr, never);
}

}  // namespace fard::bench
