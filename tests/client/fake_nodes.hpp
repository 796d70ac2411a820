// Node managers in memory, as a submission sees them: doors, a coordinator's answers, and links that echo
// chunks.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/submission_world.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "runtime/peer/messages_board.hpp"
#include "tests/client/virtual_loop.hpp"
#include "tests/fakes/endpoints.hpp"

namespace fard::test {

using namespace std::chrono_literals;

class FakeNodes;

// The node behind an address that address_at made.
inline std::string node_at(const Address& door) {
    return door.endpoint.path().substr(1);
}

// One node manager and what it should do.
struct FakeNode {
    bool absent = false;           // nobody listens at its door
    std::optional<Error> bars;     // every question, from now on: it lets this client in no more
    bool answers = true;           // false: a stopped process or a dead socket: says nothing, takes nothing
    std::optional<Error> refusal;  // of SUBMIT
    std::optional<Error> offer_refusal;
    bool verifies = true;  // false: never answers the last piece of a package
    std::vector<std::string> missing;            // packages that it asks for
    std::map<std::string, std::string> offered;  // archives that came, by package
    std::optional<std::uint64_t> stops_after;    // results of this node after which it goes silent ...
    bool breaks = false;                         // ... and its connection breaks
    std::optional<std::uint64_t> doubles;        // sends this result twice
    bool has_places = true;                      // the run is wired as soon as it is admitted
    std::string end = "done";                    // phase that FINISH is answered with
    std::string reason;
    bool finishes = true;  // false: never answers FINISH

    std::vector<wire::Submit> submits;
    std::vector<wire::Cancel> cancels;
    std::vector<std::uint64_t> chunks;  // that it was sent
    std::uint64_t results = 0;
    int alive = 0;  // CLIENT_ALIVE that came
    std::uint32_t attempt = 0;
    RunId run;
};

class FakeLinks;

class FakeNodes final : public SubmissionWorld {
  public:
    FakeNodes(VirtualLoop& the_loop, const std::vector<std::string>& doors) : loop(the_loop) {
        for (const auto& door : doors)
            nodes[door];
    }
    FakeNode& operator[](const std::string& door) { return nodes.at(door); }
    Result<std::unique_ptr<Door>> knock(const Address& door) override;
    Result<std::unique_ptr<ClientLinks>> links(const ClientLinksTerms& terms,
                                               ClientLinks::Events events) override;

    void tell(const std::string& door, const wire::Body& body);  // to whoever stands at that door
    void break_connection(const std::string& door);
    wire::RunState state(const std::string& door, const std::string& phase);
    std::vector<wire::Member> members(const std::string& first) const;

    VirtualLoop& loop;
    std::map<std::string, FakeNode> nodes;
    struct Visit {
        std::function<void(const wire::Body&)> message;
        std::function<void()> disconnect, absence;
        bool open = true;
    };
    std::map<std::string, std::shared_ptr<Visit>> visits;  // the last one at each door
    Duration chunk_time = 10ms;
    std::uint64_t ticket = 77;
    int open_doors = 0, open_links = 0;
};

class FakeDoor final : public Door {
  public:
    FakeDoor(FakeNodes& nodes, std::string name) : nodes_(nodes), name_(std::move(name)) {
        ++nodes_.open_doors;
        nodes_.visits[name_] = visit_;
        beat();
    }
    ~FakeDoor() override {
        --nodes_.open_doors;
        visit_->open = false;
    }
    void ask(wire::Body body, Duration deadline, Answer answer) override {
        auto& node = nodes_.nodes.at(name_);
        auto once = std::make_shared<Answer>(std::move(answer));
        auto reply = [once, visit = visit_](Result<wire::Body> answered) {
            if (!*once || !visit->open) return;
            auto call = std::exchange(*once, nullptr);
            call(std::move(answered));
        };
        nodes_.loop.call_after(deadline, [reply] { reply(fail(Fault::timed_out, "no answer")); });
        nodes_.loop.call_after(1ms, [this, &node, reply, body = std::move(body), visit = visit_] {
            for (int i = 0; node.absent && i < 3; ++i)
                if (visit->open) visit->absence();
            if (node.absent) return;
            if (visit->open && node.bars) return reply(fail(*node.bars));
            if (visit->open && node.answers) serve(node, body, reply);
        });
    }
    void tell(const wire::Body& body) override {
        if (body.is<wire::ClientAlive>()) ++nodes_.nodes.at(name_).alive;
    }
    void on_message(std::function<void(const wire::Body&)> handler) override {
        visit_->message = std::move(handler);
    }
    void on_disconnect(std::function<void()> handler) override { visit_->disconnect = std::move(handler); }
    void on_absence(std::function<void()> handler) override { visit_->absence = std::move(handler); }

  private:
    void serve(FakeNode& node, const wire::Body& body, const std::function<void(Result<wire::Body>)>& reply) {
        if (const auto* submit = body.as<wire::Submit>()) {
            node.submits.push_back(*submit);
            if (node.refusal) return reply(fail(*node.refusal));
            node.attempt = submit->attempt;
            node.run = submit->run;
            reply(wire::Admitted{submit->ticket ? submit->ticket : nodes_.ticket,
                                 node.missing,
                                 nodes_.members(name_)});
            if (node.has_places) nodes_.tell(name_, nodes_.state(name_, "wired"));
        } else if (const auto* offer = body.as<wire::Offer>()) {
            if (node.offer_refusal) return reply(fail(*node.offer_refusal));
            auto& archive = node.offered[offer->piece.package];
            if (archive.size() == offer->piece.offset) archive += offer->piece.bytes;
            if (node.verifies || archive.size() < offer->piece.total) reply(wire::Done{});
        } else if (const auto* holds = body.as<wire::Holds>()) {
            reply(wire::Held{holds->package, 0, 0, {}});
        } else if (body.is<wire::Finish>()) {
            if (node.finishes) reply(nodes_.state(name_, node.end));
        } else if (const auto* cancel = body.as<wire::Cancel>()) {
            node.cancels.push_back(*cancel);
            reply(wire::Done{});
        } else {
            reply(wire::Status{});
        }
    }
    void beat() {
        nodes_.loop.call_after(500ms, [this, visit = visit_] {
            if (!visit->open) return;
            if (nodes_.nodes.at(name_).answers && !nodes_.nodes.at(name_).run.empty())
                visit->message(nodes_.state(name_, "running"));
            if (visit->open) beat();
        });
    }
    FakeNodes& nodes_;
    std::string name_;
    std::shared_ptr<FakeNodes::Visit> visit_ = std::make_shared<FakeNodes::Visit>();
};

// Echoes each chunk after chunk_time, one after the other, with a window of four.
class FakeLinks final : public ClientLinks {
  public:
    FakeLinks(FakeNodes& nodes, std::string door, Events events)
        : nodes_(nodes), door_(std::move(door)), events_(std::make_shared<Events>(std::move(events))) {
        ++nodes_.open_links;
    }
    ~FakeLinks() override { --nodes_.open_links; }
    Result<> connect(const wire::LinkEndpoint&, const wire::LinkEndpoint&, const wire::NetworkWay&) override {
        nodes_.loop.call_after(1ms, [events = events_] { events->writable(); });
        return {};
    }
    bool send(Chunk& chunk) override {
        auto& node = nodes_.nodes.at(door_);
        if (*in_flight_ == 4 || !node.answers) return false;
        node.chunks.push_back(chunk.index);
        ++*in_flight_;
        busy_until_ = std::max(busy_until_, nodes_.loop.now()) + nodes_.chunk_time;
        auto echo = std::make_shared<Chunk>(std::move(chunk));
        nodes_.loop.call_at(busy_until_, [&nodes = nodes_, &node, door = door_, events = events_, echo,
                                          in_flight = in_flight_] {
            if (!node.answers) return;
            --*in_flight;
            ++node.results;
            if (node.doubles == echo->index) {
                Chunk copy;
                copy.index = echo->index;
                events->result(std::move(copy));
            }
            events->result(std::move(*echo));
            events->writable();
            if (node.stops_after != node.results) return;
            node.answers = false;
            if (node.breaks) nodes.break_connection(door);
        });
        return true;
    }

  private:
    FakeNodes& nodes_;
    std::string door_;
    std::shared_ptr<Events> events_;
    std::shared_ptr<int> in_flight_ = std::make_shared<int>(0);
    TimePoint busy_until_{};
};

inline Result<std::unique_ptr<Door>> FakeNodes::knock(const Address& door) {
    return std::make_unique<FakeDoor>(*this, node_at(door));
}
inline Result<std::unique_ptr<ClientLinks>> FakeNodes::links(const ClientLinksTerms& terms,
                                                             ClientLinks::Events events) {
    return std::make_unique<FakeLinks>(*this, node_at(terms.door), std::move(events));
}
inline void FakeNodes::tell(const std::string& door, const wire::Body& body) {
    loop.call_after(0ms, [visit = visits.at(door), body] {
        if (visit->open) visit->message(body);
    });
}
inline void FakeNodes::break_connection(const std::string& door) {
    loop.call_after(0ms, [visit = visits.at(door)] {
        if (visit->open) visit->disconnect();
    });
}
inline wire::RunState FakeNodes::state(const std::string& door, const std::string& phase) {
    const auto& node = nodes.at(door);
    wire::RunState state;
    state.run = node.run;
    state.epoch = {node.attempt, 0};
    state.phase = phase;
    state.reason = node.reason;
    state.members = members(door);
    if (node.has_places || phase == "running") state.ends = {{at(door), {}, {}}, {at(door), {}, {}}};
    if (phase == "done") state.jobs.push_back({0, 0, "only", "b0", "cpu0", "", {}});
    return state;
}
inline std::vector<wire::Member> FakeNodes::members(const std::string& first) const {
    std::vector<wire::Member> list{{PeerId{first}, first, at(first), {}, {}, {}}};
    for (const auto& [door, node] : nodes)
        if (door != first) list.push_back({PeerId{door}, door, at(door), {}, {}, {}});
    return list;
}

}  // namespace fard::test
