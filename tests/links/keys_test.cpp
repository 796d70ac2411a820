// Keys: files, the ring, and sockets that let in whose key is known.
#include "runtime/peer/keys.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zmq.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/socket.hpp"
#include "runtime/peer/link.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/links/link_world.hpp"
#include "tests/patience.hpp"
#include "tests/scratch_dir.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<KeyRing> ring_of(const std::vector<wire::AllowedKey>& keys) {
    auto ring = KeyRing::open({}).value();
    ring->merge(keys);
    return ring;
}

wire::AllowedKey entry(const PublicKey& key, Role role, bool revoked = false) {
    return {key, static_cast<std::uint8_t>(role), "x", revoked};
}

template <typename Done>
bool soon(Done done, Duration limit = patience(10s)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

// Sends a text of its own until the receiver has it (not one of an earlier call); returns the key that it came with.
std::optional<std::string> arrives(Socket& from, Socket& to, Duration limit = patience(10s)) {
    static int calls = 0;
    const auto text = std::to_string(++calls);
    Message got;
    const bool came = soon(
        [&] {
            Message message;
            message.emplace_back(std::string_view(text));
            from.try_send(message);
            while (to.try_receive(got))
                if (got.front().text() == text) return true;
            return false;
        },
        limit);
    if (!came) return std::nullopt;
    return std::string(got.front().user());
}

constexpr unsigned users = 1u << static_cast<unsigned>(Role::user);

}  // namespace

TEST_CASE("a key file is its owner's alone") {
    ScratchDir dir;
    const auto file = dir.path() / "key";
    const auto keys = KeyPair::make();
    REQUIRE(keys.write(file));
    CHECK(keys.write(file).error().fault == Fault::refused);
    CHECK(KeyPair::read(file).value().public_key == keys.public_key);
    REQUIRE(chmod(file.c_str(), 0640) == 0);
    const auto open = KeyPair::read(file);
    CHECK(open.error().fault == Fault::refused);
    CHECK(open.error().message.find("640") != std::string::npos);
    CHECK(open.error().message.find(keys.secret_hex()) == std::string::npos);
    std::ofstream(dir.path() / "bad") << "nonsense";
    REQUIRE(chmod((dir.path() / "bad").c_str(), 0600) == 0);
    CHECK(KeyPair::read(dir.path() / "bad").error().fault == Fault::corrupt);
    CHECK(KeyPair::read(dir.path() / "none").error().fault == Fault::not_found);
}

TEST_CASE("a peer's id follows from its key") {
    const auto keys = KeyPair::make(), other = KeyPair::make();
    const auto first = draw_peer_id(keys.public_key), second = draw_peer_id(keys.public_key);
    CHECK(is_id(first.hex));
    CHECK(first != second);
    CHECK(belongs_to(first, keys.public_key));
    CHECK(belongs_to(second, keys.public_key));
    CHECK_FALSE(belongs_to(first, other.public_key));
    CHECK(belongs_to(first, {}));
}

TEST_CASE("revocation beats addition, whatever the order, and is kept") {
    ScratchDir dir;
    const auto file = dir.path() / "allowed";
    const auto ann = KeyPair::make().public_key, bob = KeyPair::make().public_key;
    {
        auto ring = KeyRing::open(file).value();
        CHECK(ring->merge({entry(ann, Role::user), entry(bob, Role::reader)}).changed);
        CHECK_FALSE(ring->merge({entry(ann, Role::node)}).changed);
        CHECK(ring->role_of(ann) == Role::user);
        CHECK(ring->merge({entry(ann, Role::user, true)}).revoked == std::vector{ann});
        CHECK(ring->role_of(ann) == Role::none);
        CHECK_FALSE(ring->merge({entry(ann, Role::user)}).changed);
        CHECK_FALSE(ring->merge({entry(ann, Role::user, true)}).changed);
        CHECK(ring->keep());
    }
    auto again = KeyRing::open(file).value();
    CHECK(again->is_revoked(ann));
    CHECK(again->role_of(bob) == Role::reader);
    CHECK(again->keys().size() == 2);
    std::ofstream(file, std::ios::app) << "king 12 x\n";
    CHECK(KeyRing::open(file).error().fault == Fault::corrupt);
}

TEST_CASE("a revocation holds where it cannot be written, and is written once it can be; a ticket is not used up meanwhile") {
    ScratchDir dir;
    const auto place = dir.path() / "keys", away = dir.path() / "away";
    std::filesystem::create_directory(place);
    const auto ann = KeyPair::make().public_key, ticket = KeyPair::make().public_key;
    auto ring = KeyRing::open(place / "allowed").value();
    ring->merge({entry(ann, Role::user)});
    REQUIRE(ring->keep());
    REQUIRE(ring->add_ticket(ticket, Role::node, 60s));

    std::filesystem::rename(place, away);  // nothing can be written
    CHECK(ring->merge({entry(ann, Role::user, true)}).revoked == std::vector{ann});
    CHECK(ring->role_of(ann) == Role::none);
    CHECK(ring->keep().error().fault == Fault::io);
    const auto newcomer = KeyPair::make().public_key;
    CHECK(ring->use_ticket(ticket, newcomer).error().fault == Fault::io);
    CHECK(ring->role_of(ticket) == Role::joining);
    CHECK_FALSE(ring->add_ticket(KeyPair::make().public_key, Role::user, 60s));

    std::filesystem::rename(away, place);
    CHECK_FALSE(KeyRing::open(place / "allowed").value()->is_revoked(ann));
    REQUIRE(ring->keep());
    CHECK(KeyRing::open(place / "allowed").value()->is_revoked(ann));
    CHECK(ring->use_ticket(ticket, newcomer) == Role::node);
    CHECK(ring->use_ticket(ticket, KeyPair::make().public_key).error().fault == Fault::refused);
}

TEST_CASE("a key's name has no spaces and an end") {
    CHECK(check_key_name("zed-1"));
    for (const auto& name : {std::string(), std::string("zed 1"), std::string("zed\n1"), std::string("zed\x1b[2J"), std::string(".."), std::string("-x"),
                             std::string(65, 'z')})
        CHECK(check_key_name(name).error().fault == Fault::invalid_input);
}

TEST_CASE("a ticket is good for one newcomer, who may ask again; others learn that it was used, or has expired, for a day") {
    ScratchDir dir;
    const auto file = dir.path() / "allowed";
    const auto key = KeyPair::make().public_key, late = KeyPair::make().public_key, old = KeyPair::make().public_key;
    const auto ann = KeyPair::make().public_key, bob = KeyPair::make().public_key;
    {
        auto ring = KeyRing::open(file).value();
        REQUIRE(ring->add_ticket(old, Role::node, -25h));
        CHECK(ring->role_of(old) == Role::none);
        REQUIRE(ring->add_ticket(key, Role::node, 600s));
        REQUIRE(ring->add_ticket(late, Role::node, -60s));
        CHECK(ring->role_of(key) == Role::joining);
        CHECK(ring->use_ticket(key, ann) == Role::node);
    }
    auto ring = KeyRing::open(file).value();  // it is kept
    CHECK(ring->use_ticket(key, ann) == Role::node);
    const auto used = ring->use_ticket(key, bob), expired = ring->use_ticket(late, bob), unknown = ring->use_ticket(old, bob);
    for (const auto& [refused, part] : {std::pair{&used, "was used 0 s ago, by the key " + ann.brief()}, {&expired, std::string("expired 60 s ago")},
                                        {&unknown, std::string("no such ticket")}}) {
        CHECK(refused->error().fault == Fault::refused);
        CHECK_MESSAGE(refused->error().message.find(part) != std::string::npos, refused->error().message);
    }
    CHECK(ring->role_of(key) == Role::joining);  // to hear it
    CHECK(ring->role_of(late) == Role::joining);
    CHECK(ring->keys().empty());
}

TEST_CASE("who has a key that is known comes in, and is known by it; others get no answer") {
    const auto board = KeyPair::make(), ann = KeyPair::make(), eve = KeyPair::make();
    auto ring = ring_of({entry(ann.public_key, Role::user)});
    std::atomic<int> reports = 0;
    SocketFactory ours(Identity::keyed(board, ring, [&](const std::string&) { ++reports; }));
    auto pull = ours.make(SocketKind::pull).value();
    const Address door{pull.bind(at("tcp://127.0.0.1:0"), {.roles = users, .keys = {}}).value(), board.public_key};

    SocketFactory anns(Identity::keyed(ann, nullptr));
    auto push = anns.make(SocketKind::push, {.immediate = true}).value();
    REQUIRE(push.connect(door));
    CHECK(arrives(push, pull) == ann.public_key.hex);

    SUBCASE("a key that nobody knows") {
        SocketFactory eves(Identity::keyed(eve, nullptr));
        auto stranger = eves.make(SocketKind::push, {.immediate = true}).value();
        REQUIRE(stranger.connect(door));
        CHECK_FALSE(arrives(stranger, pull, 300ms));
        CHECK(soon([&] { return reports > 0; }));
    }
    SUBCASE("no key, and a password") {
        void* context = zmq_ctx_new();
        for (const bool plain : {false, true}) {
            void* socket = zmq_socket(context, ZMQ_PUSH);
            const int linger = 0, immediate = 1;
            zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
            zmq_setsockopt(socket, ZMQ_IMMEDIATE, &immediate, sizeof immediate);
            if (plain) {
                zmq_setsockopt(socket, ZMQ_PLAIN_USERNAME, "admin", 5);
                zmq_setsockopt(socket, ZMQ_PLAIN_PASSWORD, "admin", 5);
            }
            REQUIRE(zmq_connect(socket, door.endpoint.text().c_str()) == 0);
            CHECK_FALSE(soon([&] { return zmq_send(socket, "x", 1, ZMQ_DONTWAIT) == 1; }, 300ms));
            zmq_close(socket);
        }
        zmq_ctx_term(context);
    }
    SUBCASE("another server's key") {
        auto astray = anns.make(SocketKind::push, {.immediate = true}).value();
        REQUIRE(astray.connect(Address{door.endpoint, eve.public_key}));
        CHECK_FALSE(arrives(astray, pull, 300ms));
    }
    SUBCASE("revoked while connected: not one message more") {
        ring->merge({entry(ann.public_key, Role::user, true)});
        pull.cut_connections();
        soon([&] { return false; }, 100ms);
        Message left;
        while (pull.try_receive(left)) {
        }
        CHECK_FALSE(arrives(push, pull, 500ms));
    }
    SUBCASE("cut, but known: comes back by itself") {
        pull.cut_connections();
        CHECK(arrives(push, pull) == ann.public_key.hex);
    }
}

TEST_CASE("a frame of the largest size comes through with keys as without") {
    const auto board = KeyPair::make(), ann = KeyPair::make();
    SocketFactory ours(Identity::keyed(board, ring_of({entry(ann.public_key, Role::user)}))), anns(Identity::keyed(ann, nullptr));
    auto pull = ours.make(SocketKind::pull, {.max_frame_bytes = 5000}).value();
    const Address door{pull.bind(at("tcp://127.0.0.1:0"), {.roles = users, .keys = {}}).value(), board.public_key};
    auto push = anns.make(SocketKind::push, {.immediate = true}).value();
    REQUIRE(push.connect(door));
    Message largest, got;
    largest.emplace_back(std::string(5000, 'x'));
    REQUIRE(soon([&] { return push.try_send(largest); }));
    REQUIRE(soon([&] { return pull.try_receive(got); }));
    CHECK(got.front().size() == 5000);
}

TEST_CASE("who knocks before it is decided who may waits for that") {
    const auto job = KeyPair::make(), before = KeyPair::make(), other = KeyPair::make();
    SocketFactory jobs(Identity::keyed(job, nullptr)), befores(Identity::keyed(before, nullptr)),
        others(Identity::keyed(other, nullptr));
    auto pull = jobs.make(SocketKind::pull).value();
    const Address place{pull.bind(at("tcp://127.0.0.1:0"), {.roles = 0, .keys = {}, .undecided = true}).value(),
                        job.public_key};
    auto push = befores.make(SocketKind::push, {.immediate = true}).value();
    auto wrong = others.make(SocketKind::push, {.immediate = true}).value();
    REQUIRE(push.connect(place));
    REQUIRE(wrong.connect(place));
    CHECK_FALSE(arrives(push, pull, 100ms));
    pull.admit({before.public_key});
    CHECK(arrives(push, pull) == before.public_key.hex);
    CHECK_FALSE(arrives(wrong, pull, 300ms));
}

TEST_CASE("a board that is not open yet lets nobody in until it is") {
    const auto board = KeyPair::make(), ann = KeyPair::make();
    auto ring = ring_of({entry(ann.public_key, Role::user)});
    ring->set_open(false);
    SocketFactory ours(Identity::keyed(board, ring)), anns(Identity::keyed(ann, nullptr));
    auto pull = ours.make(SocketKind::pull).value();
    const auto bound = pull.bind(at("tcp://127.0.0.1:0"), {.roles = users, .keys = {}}).value();
    auto push = anns.make(SocketKind::push, {.immediate = true}).value();
    REQUIRE(push.connect(Address{bound, board.public_key}));
    CHECK_FALSE(arrives(push, pull, 200ms));
    ring->set_open(true);
    CHECK(arrives(push, pull));
}

TEST_CASE("with keys nothing goes out to whom no key is known, without keys not to who wants one") {
    SocketFactory keyed(Identity::keyed(KeyPair::make(), nullptr)), plain(Identity::local());
    auto a = keyed.make(SocketKind::push).value(), b = plain.make(SocketKind::push).value();
    CHECK(a.connect(at("tcp://127.0.0.1:9")).error().fault == Fault::refused);
    CHECK(b.connect(Address{at("tcp://127.0.0.1:9"), KeyPair::make().public_key}).error().fault == Fault::refused);
}

TEST_CASE("links with keys carry chunks of every size through every window") {
    for (const std::int64_t bytes : {1, 100'000, 4 << 20}) {
        for (const std::uint64_t window : {1, 2, 5}) {
            CAPTURE(bytes);
            CAPTURE(window);
            const auto receives = KeyPair::make(), sends = KeyPair::make();
            SocketFactory there(Identity::keyed(receives, nullptr)), here(Identity::keyed(sends, nullptr));
            const auto terms = testing::terms_of(bytes, window);
            auto receiver = LinkReceiver::bind(there, "tcp:127.0.0.1", terms).value();
            receiver.admit(sends.public_key);
            auto sender = LinkSender::connect(here, receiver.endpoint(), terms, "0/0").value();
            testing::until({sender.fd()}, [&] { return sender.open(); });
            for (std::uint64_t index = 0; index < 3; ++index) {
                auto chunk = testing::chunk_of(index, terms);
                testing::until({sender.fd()}, [&] { return sender.send(chunk); });
                std::optional<Chunk> got;
                testing::until({receiver.fd()}, [&] {
                    auto received = receiver.receive();
                    REQUIRE(received);
                    if (*received) got = std::move(**received);
                    return got.has_value();
                });
                CHECK(got->index == index);
                CHECK(got->tensors.at(0).text() == testing::chunk_of(index, terms).tensors[0].text());
                receiver.taken();
                receiver.flush_credit();
                sender.poll_credit();
            }
        }
    }
}
