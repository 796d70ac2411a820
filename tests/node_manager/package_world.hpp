// Machines with disks and ports that take their time, and the packages that travel between them, in virtual time.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>

#include "overlays/package/package.hpp"
#include "runtime/node_manager/gathering.hpp"
#include "runtime/node_manager/package_service.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/fakes/sim_disk.hpp"
#include "tests/fakes/sim_loop.hpp"
#include "tests/overlays/scratch.hpp"

namespace fard::test {

using namespace std::chrono_literals;

// A package of about so many bytes, that nobody else has.
inline PackedArchive sample_package(const std::string& name, std::size_t bytes) {
    auto manifest = small_manifest();
    manifest.name = name;
    std::string content(bytes, '\0');
    std::uint64_t state = std::hash<std::string>{}(name) | 1;
    for (std::size_t at = 0; at < bytes; at += 64)
        content[at] = static_cast<char>((state = state * 6364136223846793005ull + 1442695040888963407ull) >> 56);
    auto packed = pack_archive(std::move(manifest), {{"stage.onnx", std::move(content)}});
    REQUIRE(packed);
    return std::move(*packed);
}

inline wire::Piece piece_of(const PackedArchive& package, std::uint64_t number) {
    const auto offset = number * wire::piece_bytes;
    return {package.id, offset, package.bytes.size(), package.bytes.substr(offset, wire::piece_bytes)};
}
inline std::uint64_t pieces_of(const PackedArchive& package) {
    return (package.bytes.size() + wire::piece_bytes - 1) / wire::piece_bytes;
}

// One machine's way in and out.
struct Port {
    TimePoint out_free{}, in_free{};
    std::uint64_t sent = 0, received = 0;
};

struct Machine {
    Machine(SimLoop& the_loop, KnockAtSource knock, const std::string& door, StoreLimits limits = {})
        : loop(the_loop), writer(loop, disk), packer(loop, disk), reader(loop, disk) {
        store = OverlayStore::open({loop, disk, writer, packer, reader}, "/state/overlays", {}, limits).value();
        fetch = std::make_unique<PackageFetch>(loop, *store, std::move(knock));
        fetch->set_self(at(door));
        service = std::make_unique<PackageService>(loop, *store, *fetch);
    }
    SimLoop& loop;
    SimDisk disk;
    SimWorker writer, packer, reader;
    std::unique_ptr<OverlayStore> store;
    std::unique_ptr<PackageFetch> fetch;
    std::unique_ptr<PackageService> service;
    bool answers = true;
};

// Machines by their doors, which are their peer ids too.
class PackageWorld {
  public:
    SimLoop loop;
    double bytes_per_s = 0;  // of each port, each way; 0: no time
    Duration latency = 200us;
    std::map<std::string, std::unique_ptr<Machine>> machines;
    std::map<std::string, Port> ports;

    Machine& add(const std::string& door, StoreLimits limits = {}) {
        machines[door] = std::make_unique<Machine>(
            loop, [this, door](const Address& to) { return knock(door, to.endpoint.path().substr(1)); }, door, limits);
        return *machines[door];
    }

    // Asks a machine; the answer comes back the same way.
    void ask(const std::string& from, const std::string& to, wire::Body question, Answer answer) {
        auto shared = std::make_shared<wire::Body>(std::move(question));
        carry(from, to, wire::footprint(*shared), [this, from, to, shared, answer = std::move(answer)] {
            const auto found = machines.find(to);
            if (found == machines.end() || !found->second->answers) return;
            Reply reply = [this, from, to, answer](wire::Body said) {
                auto told = std::make_shared<wire::Body>(std::move(said));
                carry(to, from, wire::footprint(*told), [answer, told] {
                    if (const auto* no = told->as<wire::Refused>()) return answer(fail(to_error(*no)));
                    answer(std::move(*told));
                });
            };
            CHECK(found->second->service->serve(*shared, reply));
        });
    }

    void carry(const std::string& from, const std::string& to, std::size_t bytes, Loop::Callback arrived) {
        auto& out = ports[from];
        auto& in = ports[to];
        out.sent += bytes;
        in.received += bytes;
        const auto takes = bytes_per_s > 0
                               ? Duration(static_cast<std::int64_t>(static_cast<double>(bytes) / bytes_per_s * 1e9))
                               : Duration(0);
        const auto leaves = std::max(loop.now(), out.out_free);
        out.out_free = leaves + takes;
        const auto enters = std::max(leaves + latency, in.in_free);
        in.in_free = enters + takes;
        loop.call_at(in.in_free, std::move(arrived));
    }

  private:
    struct Way final : PieceSource {
        Way(PackageWorld& the_world, std::string the_from, std::string the_to)
            : world(the_world), from(std::move(the_from)), to(std::move(the_to)) {}
        void ask(wire::Body question, Duration deadline, Answer answer) override {
            auto once = std::make_shared<Answer>(std::move(answer));
            const auto guarded = [once, alive = std::weak_ptr(alive_)](Result<wire::Body> said) {
                if (alive.expired() || !*once) return;
                std::exchange(*once, nullptr)(std::move(said));
            };
            world.loop.call_after(deadline, [guarded] { guarded(fail(Fault::timed_out, "no answer")); });
            world.ask(from, to, std::move(question), guarded);
        }
        PackageWorld& world;
        std::string from, to;
        std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    };
    Result<std::unique_ptr<PieceSource>> knock(const std::string& from, const std::string& to) {
        if (to == "shut") return fail(Fault::unreachable, "the door is shut");
        return std::make_unique<Way>(*this, from, to);
    }
};

}  // namespace fard::test
