#include "runtime/node_manager/overlay_store.hpp"

#include "overlays/package/signature.hpp"
#include "tests/node_manager/package_world.hpp"

using namespace fard;
using namespace fard::test;

namespace {

struct Rig {
    SimLoop loop;
    SimDisk disk;
    SimWorker writer{loop, disk}, packer{loop, disk}, reader{loop, disk};
    std::vector<std::string> stored, removed;
    std::unique_ptr<OverlayStore> store;

    explicit Rig(StoreLimits limits = {}) { reopen(limits); }
    void reopen(StoreLimits limits = {}) {
        store.reset();
        auto opened = OverlayStore::open({loop, disk, writer, packer, reader}, "/store",
                                         {.stored = [this](const std::string& id) { stored.push_back(id); },
                                          .removed = [this](const std::string& id,
                                                            const std::string&) { removed.push_back(id); }},
                                         limits);
        REQUIRE_MESSAGE(opened, opened.error().message);
        store = std::move(*opened);
    }
    // The answer, once the disk has done its work.
    Result<> take(wire::Piece piece) {
        std::optional<Result<>> answer;
        store->take(std::move(piece), [&](Result<> result) { answer = std::move(result); });
        loop.run_while_not([&] { return answer.has_value(); }, 10s);
        REQUIRE(answer);
        return *answer;
    }
    Result<> take_all(const PackedArchive& package) {
        Result<> last;
        for (std::uint64_t number = 0; number < pieces_of(package); ++number)
            last = take(piece_of(package, number));
        return last;
    }
    Result<wire::Piece> piece(const std::string& id, std::uint64_t offset) {
        std::optional<Result<wire::Piece>> answer;
        store->piece({id, offset}, [&](Result<wire::Piece> result) { answer = std::move(result); });
        loop.run_while_not([&] { return answer.has_value(); }, 10s);
        REQUIRE(answer);
        return *answer;
    }
    Result<> verify(const std::string& id) {
        std::optional<Result<>> answer;
        store->verify(id, [&](Result<> result) { answer = std::move(result); });
        loop.run_while_not([&] { return answer.has_value(); }, 10s);
        REQUIRE(answer);
        return *answer;
    }
};

const auto& sample() {
    static const auto package = sample_package("sample", 300'000);
    return package;
}

}  // namespace

TEST_CASE("an offered package is stored once its last piece is there, in any order") {
    Rig rig;
    REQUIRE(pieces_of(sample()) == 3);
    CHECK(rig.take(piece_of(sample(), 2)));
    CHECK(rig.take(piece_of(sample(), 0)));
    CHECK(rig.take(piece_of(sample(), 0)));  // repeated
    CHECK_FALSE(rig.store->has(sample().id));
    CHECK(rig.store->held(sample().id).held() == sample().bytes.size() - wire::piece_bytes);
    CHECK(rig.take(piece_of(sample(), 1)));
    CHECK(rig.store->list() == std::vector{sample().id});
    CHECK(rig.store->arriving() == 0);
    CHECK(rig.take(piece_of(sample(), 1)));  // late
    CHECK(rig.store->arriving() == 0);
    CHECK(rig.stored == std::vector{sample().id});
    CHECK(rig.store->path(sample().id) == "/store/" + sample().id);
    rig.loop.run_for(1s);
    CHECK(rig.disk.files().size() == 2);  // nothing but the package
}

TEST_CASE("pieces that cannot be right are refused") {
    Rig rig;
    const auto with = [&](auto change) {
        auto piece = piece_of(sample(), 0);
        change(piece);
        const auto taken = rig.take(piece);
        REQUIRE_FALSE(taken);
        CHECK(rig.store->arriving() == 0);
        return taken.error().fault;
    };
    CHECK(with([](auto& piece) { piece.package = "../../etc"; }) == Fault::invalid_input);
    CHECK(with([](auto& piece) { piece.offset = 5; }) == Fault::corrupt);
    CHECK(with([](auto& piece) { piece.offset = piece.total + wire::piece_bytes; }) == Fault::corrupt);
    CHECK(with([](auto& piece) { piece.offset = ~std::uint64_t{0} - wire::piece_bytes + 1; }) == Fault::corrupt);
    CHECK(with([](auto& piece) { piece.bytes.pop_back(); }) == Fault::corrupt);
    CHECK(with([](auto& piece) { piece.total = 0; }) == Fault::refused);
    CHECK(with([](auto& piece) { piece.total = largest_archive + 1; }) == Fault::refused);
    REQUIRE(rig.take(piece_of(sample(), 1)));
    auto other_total = piece_of(sample(), 0);
    other_total.total = wire::piece_bytes;
    CHECK(rig.take(other_total).error().fault == Fault::corrupt);
    CHECK(rig.store->arriving() == 1);  // a wrong piece does not spoil the right ones
}

TEST_CASE("a package that is not what its id says is not stored, and may be offered again") {
    Rig rig;
    auto wrong = piece_of(sample(), 1);
    wrong.bytes[1000] ^= 1;
    CHECK(rig.take(piece_of(sample(), 0)));
    CHECK(rig.take(wrong));
    CHECK(rig.take(piece_of(sample(), 2)).error().fault == Fault::corrupt);
    CHECK_FALSE(rig.store->has(sample().id));
    rig.loop.run_for(1s);
    CHECK(rig.disk.files().empty());
    CHECK(rig.take_all(sample()));
    CHECK(rig.store->has(sample().id));
}

TEST_CASE("pieces are passed on while the others still arrive") {
    Rig rig;
    CHECK(rig.piece(sample().id, 0).error().fault == Fault::not_found);
    REQUIRE(rig.take(piece_of(sample(), 1)));
    CHECK(rig.piece(sample().id, wire::piece_bytes).value() == piece_of(sample(), 1));
    CHECK(rig.piece(sample().id, 0).error().fault == Fault::not_found);
    CHECK(rig.piece(sample().id, 1).error().fault == Fault::invalid_input);
}

TEST_CASE("the archive of a stored package is made of its files, byte for byte") {
    Rig rig;
    REQUIRE(rig.take_all(sample()));
    rig.reopen();
    for (std::uint64_t number = 0; number < pieces_of(sample()); ++number)
        CHECK(rig.piece(sample().id, number * wire::piece_bytes).value() == piece_of(sample(), number));
    CHECK(rig.piece(sample().id, 3 * wire::piece_bytes).error().fault == Fault::invalid_input);
    const auto read = rig.disk.take_cost();
    CHECK(read == Duration(0));
}

TEST_CASE("serving many packages in turn reads each byte once, and verifies each package once") {
    Rig rig;
    std::vector<PackedArchive> packages;
    for (int i = 0; i < 4; ++i) {
        packages.push_back(sample_package("p" + std::to_string(i), 300'000));
        REQUIRE(rig.take_all(packages.back()));
    }
    rig.reopen();
    rig.disk.bytes_per_s = 1e6;
    const auto start = rig.loop.now();
    for (std::uint64_t number = 0; number < 3; ++number)
        for (const auto& package : packages)
            CHECK(rig.piece(package.id, number * wire::piece_bytes));
    const auto bytes = std::chrono::duration<double>(rig.loop.now() - start).count() * 1e6;
    CHECK(bytes < 2.1 * 4 * 301'000);
}

TEST_CASE("the loop never waits for the disk") {
    Rig rig;
    rig.disk.bytes_per_s = 100'000;
    const auto start = rig.loop.now();
    bool taken = false;
    rig.store->take(piece_of(sample(), 0), [&](const Result<>&) { taken = true; });
    CHECK(rig.loop.now() == start);
    rig.loop.run_for(1s);
    CHECK_FALSE(taken);
    rig.loop.run_for(1s);
    CHECK(taken);
}

TEST_CASE("a full disk: older packages make room, then it is said; nothing is left of what did not fit") {
    Rig rig;
    const auto old = sample_package("old", 300'000), large = sample_package("large", 2'000'000);
    REQUIRE(rig.take_all(old));
    rig.disk.capacity = 620'000;
    CHECK(rig.take_all(sample()));  // while it is unpacked it takes 600 kB
    CHECK(rig.removed == std::vector{old.id});
    const auto hold = rig.store->hold(sample().id);
    Result<> failed;
    for (std::uint64_t number = 0; failed && number < pieces_of(large); ++number)
        failed = rig.take(piece_of(large, number));
    REQUIRE_FALSE(failed);
    CHECK(failed.error().fault == Fault::io);
    CHECK(failed.error().message.find("No space left on device; the disk is full") != std::string::npos);
    rig.loop.run_for(1s);
    CHECK(rig.disk.used() < 302'000);
    CHECK(rig.store->has(sample().id));
}

TEST_CASE("a disk that is read-only or has a largest file says so") {
    Rig rig;
    SUBCASE("read-only") {
        rig.disk.read_only = true;
        CHECK(rig.take(piece_of(sample(), 0)).error().message.find("the file system is read-only") !=
              std::string::npos);
    }
    SUBCASE("limited") {
        rig.disk.largest_file = 200'000;
        CHECK(rig.take_all(sample()).error().message.find("ulimit -f") != std::string::npos);
        rig.disk.largest_file = 1'000'000;
        CHECK(rig.take_all(sample()));
    }
}

TEST_CASE("what a power loss left without its bytes is noticed before it is used, put aside, and may come again") {
    Rig rig;
    REQUIRE(rig.take_all(sample()));
    rig.loop.run_for(3s);
    rig.disk.lose_power();
    rig.reopen();
    CHECK(rig.verify(sample().id));  // it was kept soon after it came
    rig.disk.damage("/store/" + sample().id + "/stage.onnx");
    rig.reopen();
    CHECK(rig.store->has(sample().id));
    CHECK_FALSE(rig.store->path(sample().id));
    CHECK(rig.store->held(sample().id).held() == 0);
    CHECK(rig.verify(sample().id).error().fault == Fault::corrupt);
    CHECK_FALSE(rig.store->has(sample().id));
    CHECK(rig.verify(sample().id).error().fault == Fault::not_found);
    CHECK(rig.take_all(sample()));
    CHECK(rig.verify(sample().id));
    rig.reopen();  // what was put aside goes
    CHECK(rig.disk.files().size() == 2);
}

TEST_CASE("a package whose files somebody changes, or cleans away, while the board lives is noticed before its next use") {
    for (const bool gone : {false, true}) {
        Rig rig;
        REQUIRE(rig.take_all(sample()));
        rig.loop.run_for(3s);
        CHECK(rig.verify(sample().id));
        CHECK(rig.verify(sample().id));
        if (gone)
            REQUIRE(rig.disk.remove("/store/" + sample().id));
        else
            rig.disk.damage("/store/" + sample().id + "/stage.onnx");
        CHECK(rig.verify(sample().id).error().fault == Fault::corrupt);
        CHECK_FALSE(rig.store->has(sample().id));
        CHECK(rig.removed == std::vector{sample().id});
        CHECK(rig.take_all(sample()));
        CHECK(rig.verify(sample().id));
        CHECK(rig.store->path(sample().id));
    }
}

TEST_CASE("a package of which the disk had nothing yet when power was lost is noticed") {
    Rig rig;
    REQUIRE(rig.take_all(sample()));
    rig.disk.lose_power();
    rig.reopen();
    CHECK(rig.verify(sample().id).error().fault == Fault::corrupt);
    CHECK(rig.take_all(sample()));
}

TEST_CASE("a package that the disk could not write after all is verified once more") {
    Rig rig;
    REQUIRE(rig.take_all(sample()));
    CHECK(rig.store->path(sample().id));
    rig.disk.fails = true;
    rig.loop.run_for(3s);
    CHECK_FALSE(rig.store->path(sample().id));
    CHECK(rig.store->held(sample().id).held() == 0);
    rig.disk.fails = false;
    CHECK(rig.verify(sample().id));
    CHECK(rig.store->path(sample().id));
}

TEST_CASE("a file that a cleaner removed is noticed") {
    Rig rig;
    REQUIRE(rig.take_all(sample()));
    REQUIRE(rig.disk.remove("/store/" + sample().id + "/stage.onnx"));
    rig.reopen();
    CHECK(rig.verify(sample().id).error().message.find("stage.onnx is missing") != std::string::npos);
}

TEST_CASE("a disk that cannot be read is no reason to throw a package away") {
    Rig rig;
    REQUIRE(rig.take_all(sample()));
    rig.reopen();
    rig.disk.fails = true;
    CHECK(rig.verify(sample().id).error().fault == Fault::io);
    rig.disk.fails = false;
    CHECK(rig.verify(sample().id));
}

TEST_CASE("the least used packages go when there are too many, but none that somebody holds") {
    Rig rig({.bytes = 1'000'000});
    std::vector<PackedArchive> packages;
    for (int i = 0; i < 3; ++i) {
        packages.push_back(sample_package("p" + std::to_string(i), 300'000));
        REQUIRE(rig.take_all(packages.back()));
        rig.loop.run_for(1s);
    }
    REQUIRE(rig.verify(packages[0].id));  // used now
    const auto hold = rig.store->hold(packages[1].id);
    CHECK(rig.take_all(sample_package("p3", 300'000)));
    CHECK(rig.removed == std::vector{packages[2].id});
    const auto other = rig.store->hold(packages[0].id);
    const auto third = rig.store->hold(rig.store->list()[0]), fourth = rig.store->hold(rig.store->list()[1]),
               fifth = rig.store->hold(rig.store->list()[2]);
    const auto refused = rig.take_all(sample_package("p4", 300'000));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().fault == Fault::refused);
    CHECK(refused.error().message.find("no room for package") != std::string::npos);
}

TEST_CASE("packages whose pieces no longer come are forgotten") {
    Rig rig({.arriving = 1});
    CHECK(rig.take(piece_of(sample(), 0)));
    CHECK(rig.take(piece_of(sample_package("two", 1000), 0)).error().fault == Fault::refused);  // too many
    rig.loop.run_for(61s);
    CHECK(rig.store->arriving() == 0);
    CHECK(rig.disk.files().empty());
    rig.loop.run_for(120s);
    CHECK(rig.loop.pending_timers() == 0);
}

TEST_CASE("a store that was interrupted is tidied up when it is opened again") {
    Rig rig;
    REQUIRE(rig.take_all(sample()));
    REQUIRE(rig.disk.write("/store/" + sample().id + ".new/stage.onnx", 0, "half"));
    REQUIRE(rig.disk.make_directory("/store/" + sample().id + ".new"));
    REQUIRE(rig.disk.write("/store/" + sample().id + ".part", 0, "half"));
    REQUIRE(rig.disk.write("/store/somebody's", 0, "not ours"));
    rig.reopen();
    CHECK(rig.verify(sample().id));
    CHECK(rig.disk.files().size() == 3);
}

TEST_CASE("a package that is only passed on is unpacked at leisure, and at once if somebody here awaits it") {
    Rig rig;
    const auto bring = [&rig] {
        for (std::uint64_t number = 0; number < pieces_of(sample()); ++number)
            rig.store->take(piece_of(sample(), number), [](const Result<>& result) { CHECK(result); });
    };
    SUBCASE("nobody does") {
        bring();
        rig.loop.run_for(50ms);
        CHECK(rig.piece(sample().id, wire::piece_bytes));
        CHECK_FALSE(rig.store->has(sample().id));
        rig.loop.run_for(2s);
        CHECK(rig.store->path(sample().id));
    }
    SUBCASE("from the beginning") {
        const auto hold = rig.store->hold(sample().id);
        bring();
        rig.loop.run_for(1s);
        CHECK(rig.store->path(sample().id));
    }
    SUBCASE("when all of it is here") {
        bring();
        rig.loop.run_for(1s);
        const auto hold = rig.store->hold(sample().id);
        rig.loop.run_for(500ms);
        CHECK(rig.store->path(sample().id));
    }
}

TEST_CASE("where signatures are asked for, a stranger's package and an unsigned one are refused") {
    const Scratch keys;
    const auto ours = make_signing_key(keys / "ours").value(), stranger = make_signing_key(keys / "stranger").value();
    const auto signed_by = [&](const char* key) {
        const std::map<std::string, std::string> files{{"stage.onnx", std::string(1000, 's')}};
        auto manifest = small_manifest();
        manifest.hardware.clear();
        manifest.files["stage.onnx"] = sha256_hex(files.at("stage.onnx"));
        return pack_archive(sign(manifest, keys / key).value(), files).value();
    };
    Rig rig({.signers = {ours}});
    CHECK(rig.take_all(signed_by("ours")));
    CHECK(rig.stored.size() == 1);
    const auto by_stranger = rig.take_all(signed_by("stranger"));
    REQUIRE_FALSE(by_stranger);
    CHECK(by_stranger.error().fault == Fault::refused);
    CHECK(by_stranger.error().message.find(stranger) != std::string::npos);
    CHECK(rig.take_all(sample()).error().fault == Fault::refused);
    CHECK(rig.stored.size() == 1);
    CHECK_FALSE(rig.store->has(sample().id));

    // What was taken before signatures were asked for is kept, and not used.
    Rig lax;
    REQUIRE(lax.take_all(sample()));
    lax.reopen({.signers = {ours}});
    CHECK(lax.verify(sample().id).error().fault == Fault::refused);
    CHECK(lax.store->has(sample().id));
}
