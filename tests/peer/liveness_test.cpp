#include "runtime/peer/liveness.hpp"

#include <doctest/doctest.h>

using namespace fard;
using namespace std::chrono_literals;

namespace {

const PeerId b{"b"}, c{"c"}, d{"d"};

// Ticks every 50 ms from a start; `each` runs before every tick with the time since the start.
struct Watch {
    Watch() {
        for (const auto& peer : {b, c, d})
            liveness.add(peer, start);
    }
    template <typename Each>
    void run_to(Duration end, Each each) {
        for (; at < end; at += 50ms) {
            each(at);
            const auto verdicts = liveness.tick(start + at);
            for (const auto& peer : verdicts.probe)
                probes.emplace_back(at, peer);
            for (const auto& [peer, why] : verdicts.lost)
                lost.emplace_back(at, peer);
            for (const auto& [peer, why] : verdicts.lost)
                last_why = why;
        }
    }
    void hear(std::initializer_list<PeerId> peers) {
        for (const auto& peer : peers)
            liveness.heard(peer, start + at);
    }

    TimePoint start{1h};
    Duration at{0};
    Liveness liveness{50ms, 1s};
    std::vector<std::pair<Duration, PeerId>> probes, lost;
    std::string last_why;
};

}  // namespace

TEST_CASE("peers that are heard are left alone") {
    Watch watch;
    watch.run_to(60s, [&](Duration at) {
        if (at % 250ms == 0ms) watch.hear({b, c, d});
    });
    CHECK(watch.probes.empty());
    CHECK(watch.lost.empty());
}

TEST_CASE("a silent peer is probed after 1.0 s and lost at 1.5 s when nobody answers") {
    Watch watch;
    watch.run_to(3s, [&](Duration) { watch.hear({c, d}); });
    REQUIRE_FALSE(watch.probes.empty());
    CHECK(watch.probes.front() == std::pair<Duration, PeerId>{1s, b});
    CHECK(watch.lost == std::vector<std::pair<Duration, PeerId>>{{1500ms, b}});
    CHECK(watch.last_why == "silent for 1.50 s, also over a fresh connection");
    CHECK_FALSE(watch.liveness.contains(b));
}

TEST_CASE("with a second peer that has not heard it either it is lost after 1.4 s") {
    Watch watch;
    watch.run_to(3s, [&](Duration at) {
        watch.hear({c, d});
        if (at == 1050ms) watch.liveness.report(b, 950ms, watch.start + at);
    });
    CHECK(watch.lost == std::vector<std::pair<Duration, PeerId>>{{1400ms, b}});
    CHECK(watch.last_why == "silent for 1.40 s, and another peer has not heard it either");
}

TEST_CASE("an answer that comes when the doubt is over does not count at the next one") {
    Watch watch;
    watch.run_to(1550ms, [&](Duration at) {
        watch.hear({c, d});
        if (at == 100ms) watch.hear({b});
        if (at == 450ms) watch.liveness.report(b, 1s, watch.start + at);
    });
    CHECK(watch.lost.empty());
}

TEST_CASE("one that hears it counts for more than one that does not") {
    Watch watch;
    watch.run_to(1600ms, [&](Duration at) {
        watch.hear({c, d});
        if (at == 1050ms) watch.liveness.report(b, 950ms, watch.start + at);
        if (at == 1100ms) watch.liveness.report(b, 0ms, watch.start + at);
    });
    CHECK(watch.lost.empty());
}

TEST_CASE("who hears hardly any of those that it watches is alone") {
    Watch watch;
    CHECK(watch.liveness.alone(watch.start));  // until they have spoken
    watch.run_to(500ms, [&](Duration) { watch.hear({b, c, d}); });
    CHECK_FALSE(watch.liveness.alone(watch.start + 500ms));
    watch.run_to(2s, [&](Duration) { watch.hear({c}); });
    CHECK_FALSE(watch.liveness.alone(watch.start + 2s));  // the other two are lost
    watch.liveness.watch({b, c, d}, watch.start + 2s);
    CHECK(watch.liveness.alone(watch.start + 2s));
    CHECK_FALSE(Liveness(50ms, 1s).alone(watch.start));  // nobody to hear
}

TEST_CASE("a question about somebody whom we do not watch is answered when it speaks, or when the time is up") {
    const TimePoint start{1h};
    Inquiries inquiries(350ms);
    CHECK(inquiries.begin(b, {"asker", 1}, start));
    CHECK_FALSE(inquiries.begin(b, {"asker", 2}, start + 100ms));
    CHECK_FALSE(inquiries.begin(b, {"other", 3}, start + 100ms));
    CHECK(inquiries.heard(c).empty());
    const auto told = inquiries.heard(b);
    REQUIRE(told.size() == 2);
    CHECK(told[0].sequence == 2);
    CHECK(inquiries.heard(b).empty());
    CHECK(inquiries.begin(b, {"asker", 4}, start + 200ms));
    CHECK(inquiries.expire(start + 549ms).empty());
    const auto over = inquiries.expire(start + 550ms);
    REQUIRE(over.size() == 1);
    CHECK(over[0].first == b);
    CHECK(inquiries.expire(start + 1h).empty());
}

TEST_CASE("a second peer that hears it keeps it, for as long as it says so") {
    Watch watch;
    watch.run_to(10s, [&](Duration at) {
        watch.hear({c, d});
        if (!watch.probes.empty() && watch.probes.back().first == at - 50ms && at < 5s) {
            watch.liveness.report(b, 200ms, watch.start + at);
        }
    });
    REQUIRE(watch.lost.size() == 1);
    CHECK(watch.lost[0].first > 5s);
    CHECK(watch.lost[0].first < 7s);
}

TEST_CASE("what others say of a peer that we hear does not matter") {
    Watch watch;
    watch.run_to(5s, [&](Duration at) {
        watch.hear({b, c, d});
        watch.liveness.report(b, 900ms, watch.start + at);
    });
    CHECK(watch.lost.empty());
}

TEST_CASE("an old report does not count once the peer has been heard again") {
    Watch watch;
    watch.run_to(3s, [&](Duration at) {
        watch.hear({c, d});
        if (at == 1050ms) watch.liveness.report(b, 2s, watch.start + at);
        if (at == 1100ms) watch.hear({b});
    });
    CHECK(watch.lost == std::vector<std::pair<Duration, PeerId>>{{2600ms, b}});
}

TEST_CASE("who slept itself does not take the others for dead") {
    Watch watch;
    watch.run_to(1s, [&](Duration) { watch.hear({b, c, d}); });
    watch.at += 20s;
    watch.run_to(22s, [&](Duration at) {
        if (at > 21500ms) watch.hear({b, c});
    });
    CHECK(watch.lost.empty());
    watch.run_to(30s, [&](Duration) { watch.hear({b, c}); });
    CHECK(watch.lost.size() == 1);
}

TEST_CASE("a broken connection and nobody listening: ended; without the break it only has not come up yet") {
    Watch watch;
    CHECK_FALSE(watch.liveness.refused(b));
    watch.liveness.disconnected(b);  // never was connected
    CHECK_FALSE(watch.liveness.refused(b));
    watch.liveness.connected(b);
    watch.liveness.disconnected(b);
    CHECK(watch.liveness.refused(b));
    watch.liveness.connected(b);  // it was the network
    CHECK_FALSE(watch.liveness.refused(b));
    CHECK_FALSE(watch.liveness.refused(PeerId{"nobody"}));
}

TEST_CASE("witnesses are others that were heard of late") {
    Watch watch;
    watch.run_to(1s, [&](Duration) { watch.hear({c}); });
    CHECK(watch.liveness.witnesses(b, watch.start + 1s) == std::vector<PeerId>{c});
    CHECK(watch.liveness.witnesses(c, watch.start + 1s).empty());
    CHECK(watch.liveness.silent_for(b, watch.start + 1s) == Duration(1s));
    CHECK_FALSE(watch.liveness.silent_for(PeerId{"nobody"}, watch.start).has_value());
}
