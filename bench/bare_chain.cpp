#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "bench/chains.hpp"
#include "bench/measure.hpp"
#include "bench/on_core.hpp"

namespace fard::bench {

namespace {

void* open_socket(void* context, int kind, int high_water_mark) {
    void* const socket = zmq_socket(context, kind);
    const int linger = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water_mark, sizeof high_water_mark);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water_mark, sizeof high_water_mark);
    return socket;
}

std::string bound_endpoint(void* socket) {
    std::array<char, 256> text{};
    std::size_t size = text.size();
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text.data(), &size);
    return text.data();
}

struct Relay {
    pid_t pid;
    std::string endpoint;
};

Result<Relay> start_relay(const std::string& bind, const std::string& connect, int high_water_mark) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail(Fault::io, "pipe: {}", std::strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::array<std::string, 5> words{"links", "--bare-relay", bind, connect, std::to_string(high_water_mark)};
    std::array<char*, 6> args{words[0].data(), words[1].data(), words[2].data(),
                              words[3].data(), words[4].data(), nullptr};
    Relay relay{};
    const int error = ::posix_spawn(&relay.pid, "/proc/self/exe", &actions, nullptr, args.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::array<char, 256> line{};
    const auto got = error == 0 ? ::read(ends[0], line.data(), line.size() - 1) : -1;
    ::close(ends[0]);
    if (got <= 1) return fail(Fault::failed, "a bare relay did not start");
    relay.endpoint.assign(line.data(), static_cast<std::size_t>(got - 1));
    return relay;
}

class BareChain final : public Chain {
  public:
    explicit BareChain(const ChainSpec& spec)
        : header_(header_bytes(spec)), payload_bytes_(spec.chunk_bytes), context_(zmq_ctx_new()) {
        zmq_msg_init_size(&payload_, payload_bytes_);
    }

    ~BareChain() override {
        for (const auto& relay : relays_) {
            ::kill(relay.pid, SIGKILL);
            ::waitpid(relay.pid, nullptr, 0);
        }
        zmq_msg_close(&payload_);
        zmq_close(source_);
        zmq_close(sink_);
        zmq_ctx_term(context_);
    }

    Result<> start(const ChainSpec& spec) {
        const int mark = static_cast<int>(std::max<std::uint64_t>(1, spec.window / 2));
        const auto place = [&](std::uint32_t number) {
            return spec.transport == "ipc" ? "ipc://" + spec.directory + "/bare" + std::to_string(number)
                                           : std::string("tcp://127.0.0.1:0");
        };
        sink_ = open_socket(context_, ZMQ_PULL, mark);
        source_ = open_socket(context_, ZMQ_PUSH, mark);
        if (zmq_bind(sink_, place(spec.processes).c_str()) != 0)
            return fail(Fault::io, "bind: {}", zmq_strerror(errno));
        auto next = bound_endpoint(sink_);
        for (auto number = spec.processes; number-- > 0;) {
            const OnCore core(number);
            auto relay = start_relay(place(number), next, mark);
            if (!relay) return fail(relay.error());
            next = relay->endpoint;
            relays_.push_back(std::move(*relay));
        }
        zmq_connect(source_, next.c_str());
        send();
        receive();  // all connections are up
        return {};
    }

    double throughput(std::chrono::nanoseconds span) override {
        return measure_throughput(
            span, [this] { send(); }, [this] { receive(); });
    }
    double latency(std::chrono::nanoseconds span) override {
        return measure_latency(
            span, [this] { send(); }, [this] { receive(); });
    }

  private:
    void send() {
        zmq_msg_t header, payload;
        zmq_msg_init_size(&header, header_);
        std::memset(zmq_msg_data(&header), 1, header_);
        zmq_msg_init(&payload);
        zmq_msg_copy(&payload, &payload_);
        zmq_msg_send(&header, source_, ZMQ_SNDMORE);
        zmq_msg_send(&payload, source_, 0);
    }

    void receive() {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        do
            zmq_msg_recv(&frame, sink_, 0);
        while (zmq_msg_more(&frame));
        zmq_msg_close(&frame);
    }

    std::size_t header_, payload_bytes_;
    void* context_;
    void* source_ = nullptr;
    void* sink_ = nullptr;
    zmq_msg_t payload_;
    std::vector<Relay> relays_;
};

}  // namespace

int run_bare_relay(const std::string& bind, const std::string& connect, int high_water_mark) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    void* const context = zmq_ctx_new();
    void* const in = open_socket(context, ZMQ_PULL, high_water_mark);
    void* const out = open_socket(context, ZMQ_PUSH, high_water_mark);
    if (zmq_bind(in, bind.c_str()) != 0 || zmq_connect(out, connect.c_str()) != 0) return 1;
    std::printf("%s\n", bound_endpoint(in).c_str());
    std::fflush(stdout);
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (;;) {
        if (zmq_msg_recv(&frame, in, 0) < 0) return 1;
        const int more = zmq_msg_more(&frame) ? ZMQ_SNDMORE : 0;
        if (zmq_msg_send(&frame, out, more) < 0) return 1;
    }
}

Result<std::unique_ptr<Chain>> make_bare_chain(const ChainSpec& spec) {
    auto chain = std::make_unique<BareChain>(spec);
    if (auto started = chain->start(spec); !started) return fail(started.error());
    return chain;
}

}  // namespace fard::bench
