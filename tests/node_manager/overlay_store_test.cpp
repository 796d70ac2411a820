#include "runtime/node_manager/overlay_store.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "runtime/node_manager/package_fetch.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/fakes/sim_loop.hpp"
#include "tests/overlays/scratch.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

// A package of more than one piece, and its archive.
struct Sample {
    explicit Sample(const Scratch& scratch, const std::string& name = "sample",
                    std::size_t bytes = 2'500'000) {
        auto manifest = small_manifest();
        manifest.name = name;
        auto written = Package::write(scratch / name, manifest, {{"stage.onnx", std::string(bytes, 'm')}});
        REQUIRE_MESSAGE(written, written.error().message);
        id = written->id;
        bytes_of_archive = archive(*written).value();
    }
    wire::Piece piece(std::uint64_t number) const {
        return cut_piece(id, bytes_of_archive, number * piece_bytes);
    }
    std::uint64_t pieces() const { return (bytes_of_archive.size() + piece_bytes - 1) / piece_bytes; }
    std::string id;
    std::string bytes_of_archive;
};

struct Rig {
    Scratch scratch;
    SimLoop loop;
    std::vector<std::string> stored;
    std::unique_ptr<OverlayStore> store;
    explicit Rig(StoreLimits limits = {}) { reopen(limits); }
    void reopen(StoreLimits limits = {}) {
        auto opened = OverlayStore::open(
            loop, scratch / "store", [this](const std::string& id) { stored.push_back(id); }, limits);
        REQUIRE(opened);
        store = std::move(*opened);
    }
};

// Sources that tests answer by hand.
struct FakeSources {
    struct Asked {
        std::string door;
        wire::Fetch fetch;
        std::function<void(Result<wire::Piece>)> answer;
    };
    std::vector<Asked> asked;
    Address shut_door = address_at("shut");

    KnockAtSource knock() {
        return [this](const Address& door) -> Result<std::unique_ptr<PieceSource>> {
            if (door == shut_door) return fail(Fault::unreachable, "the door is shut");
            return std::make_unique<Source>(*this, door.endpoint.path().substr(1));
        };
    }
    void answer(Result<wire::Piece> piece) {
        REQUIRE_FALSE(asked.empty());
        const auto last = std::move(asked.back());
        asked.pop_back();
        last.answer(std::move(piece));
    }
    struct Source final : PieceSource {
        Source(FakeSources& all, std::string door_name) : sources(all), door(std::move(door_name)) {}
        void ask(const wire::Fetch& fetch, Duration,
                 std::function<void(Result<wire::Piece>)> answer) override {
            sources.asked.push_back({door, fetch, std::move(answer)});
        }
        FakeSources& sources;
        std::string door;
    };
};

}  // namespace

TEST_CASE("an offered package is stored once its last piece is there, in any order") {
    Rig rig;
    const Sample sample(rig.scratch);
    REQUIRE(sample.pieces() == 3);
    CHECK(rig.store->take(sample.piece(2)));
    CHECK(rig.store->take(sample.piece(0)));
    CHECK(rig.store->take(sample.piece(0)));  // repeated
    CHECK_FALSE(rig.store->has(sample.id));
    CHECK(rig.store->take(sample.piece(1)));
    CHECK(rig.store->has(sample.id));
    CHECK(rig.store->list() == std::vector{sample.id});
    CHECK(rig.store->assemblies() == 0);
    CHECK(rig.store->take(sample.piece(1)));  // late
    CHECK(rig.store->assemblies() == 0);
    rig.loop.run_ready();
    CHECK(rig.stored == std::vector{sample.id});
    CHECK(Package::open(rig.store->path(sample.id).value()));
}

TEST_CASE("pieces that cannot be right are refused") {
    Rig rig;
    const Sample sample(rig.scratch);
    const auto with = [&](auto change) {
        auto piece = sample.piece(0);
        change(piece);
        const auto taken = rig.store->take(piece);
        REQUIRE_FALSE(taken);
        CHECK(rig.store->assemblies() == 0);
        return taken.error().fault;
    };
    CHECK(with([](auto& piece) { piece.package = "../../etc"; }) == Fault::invalid_input);
    CHECK(with([](auto& piece) { piece.offset = 5; }) == Fault::corrupt);
    CHECK(with([](auto& piece) { piece.offset = piece.total + piece_bytes; }) == Fault::corrupt);
    CHECK(with([](auto& piece) { piece.offset = ~std::uint64_t{0} - piece_bytes + 1; }) == Fault::corrupt);
    CHECK(with([](auto& piece) { piece.bytes.pop_back(); }) == Fault::corrupt);
    CHECK(with([](auto& piece) { piece.total = 0; }) == Fault::refused);
    CHECK(with([](auto& piece) { piece.total = largest_archive + 1; }) == Fault::refused);
    REQUIRE(rig.store->take(sample.piece(1)));
    auto other_total = sample.piece(0);
    other_total.total = piece_bytes;
    CHECK(rig.store->take(other_total).error().fault == Fault::corrupt);
    CHECK(rig.store->assemblies() == 1);  // a wrong piece does not spoil the right ones
}

TEST_CASE("a package that is not what its id says is not stored, and may be offered again") {
    Rig rig;
    const Sample sample(rig.scratch);
    auto wrong = sample.piece(1);
    wrong.bytes[1000] ^= 1;
    CHECK(rig.store->take(sample.piece(0)));
    CHECK(rig.store->take(wrong));
    const auto last = rig.store->take(sample.piece(2));
    REQUIRE_FALSE(last);
    CHECK(last.error().fault == Fault::corrupt);
    CHECK_FALSE(rig.store->has(sample.id));
    CHECK(std::filesystem::is_empty(rig.scratch / "store"));
    for (std::uint64_t piece = 0; piece < 3; ++piece)
        CHECK(rig.store->take(sample.piece(piece)));
    CHECK(rig.store->has(sample.id));
}

TEST_CASE("offers are bounded in number and bytes, and forgotten when nothing more comes") {
    Rig rig({.assemblies = 2, .assembly_bytes = 2 * piece_bytes});
    const Sample one(rig.scratch, "one"), two(rig.scratch, "two"), three(rig.scratch, "three");
    CHECK(rig.store->take(one.piece(0)));
    CHECK(rig.store->take(two.piece(0)));
    CHECK(rig.store->take(three.piece(0)).error().fault == Fault::refused);  // too many
    CHECK(rig.store->take(two.piece(1)).error().fault == Fault::refused);    // too large together
    CHECK(rig.store->assemblies() == 2);
    rig.loop.run_for(60s);
    CHECK(rig.store->assemblies() == 0);
    CHECK(rig.store->take(three.piece(0)));
    rig.loop.run_for(120s);
    CHECK(rig.loop.pending_timers() == 0);
}

TEST_CASE("a store that was interrupted is tidied up when it is opened again") {
    Rig rig;
    const Sample sample(rig.scratch);
    REQUIRE(rig.store->add(sample.id, sample.bytes_of_archive));
    const auto half = rig.scratch / "store" / (sample.id + ".new-aB3dE6");
    std::filesystem::create_directory(half);
    std::ofstream(half / "stage.onnx") << "half";
    rig.reopen();
    CHECK(rig.store->has(sample.id));
    CHECK(rig.store->path(sample.id));
    CHECK_FALSE(std::filesystem::exists(half));
}

TEST_CASE("a package damaged on disk is noticed, removed, and can come in again") {
    Rig rig;
    const Sample sample(rig.scratch);
    REQUIRE(rig.store->add(sample.id, sample.bytes_of_archive));
    std::ofstream(rig.scratch / "store" / sample.id / "stage.onnx", std::ios::app) << "x";
    rig.reopen();
    const auto path = rig.store->path(sample.id);
    REQUIRE_FALSE(path);
    CHECK(path.error().fault == Fault::corrupt);
    CHECK_FALSE(rig.store->has(sample.id));
    CHECK(rig.store->path(sample.id).error().fault == Fault::not_found);
    CHECK(rig.store->add(sample.id, sample.bytes_of_archive));
    CHECK(rig.store->path(sample.id));
}

TEST_CASE("a store gives its packages piece by piece") {
    Rig rig;
    const Sample sample(rig.scratch);
    CHECK(rig.store->piece({sample.id, 0}).error().fault == Fault::not_found);
    REQUIRE(rig.store->add(sample.id, sample.bytes_of_archive));
    for (std::uint64_t piece = 0; piece < 3; ++piece)
        CHECK(rig.store->piece({sample.id, piece * piece_bytes}).value() == sample.piece(piece));
    CHECK(rig.store->piece({sample.id, 3 * piece_bytes}).error().fault == Fault::invalid_input);
    CHECK(rig.store->piece({sample.id, 1}).error().fault == Fault::invalid_input);
    rig.loop.run_for(10s);  // the archive is let go, and made again
    CHECK(rig.loop.pending_timers() == 0);
    CHECK(rig.store->piece({sample.id, 0}).value() == sample.piece(0));
}

TEST_CASE("a store needs a directory") {
    SimLoop loop;
    Scratch scratch;
    std::ofstream(scratch / "file") << "x";
    const auto opened = OverlayStore::open(loop, scratch / "file", nullptr);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().fault == Fault::io);
}

TEST_CASE("a missing package is fetched piece by piece, once for all who want it") {
    Rig rig;
    const Sample sample(rig.scratch);
    FakeSources sources;
    PackageFetch fetch(rig.loop, *rig.store, sources.knock());
    int done = 0;
    for (int asker = 0; asker < 2; ++asker) {
        fetch.fetch(sample.id, {address_at("one")}, [&](const Result<>& result) {
            CHECK(result);
            ++done;
        });
        rig.loop.run_ready();
    }
    CHECK(fetch.under_way() == 1);
    for (std::uint64_t piece = 0; piece < 3; ++piece) {
        REQUIRE(sources.asked.size() == 1);
        CHECK(sources.asked[0].fetch == wire::Fetch{sample.id, piece * piece_bytes});
        sources.answer(sample.piece(piece));
    }
    CHECK(done == 2);
    CHECK(fetch.under_way() == 0);
    CHECK(rig.store->has(sample.id));
    rig.loop.run_for(20s);
    CHECK(done == 2);
}

TEST_CASE("the next source is tried when one fails, and the error names them all") {
    Rig rig;
    const Sample sample(rig.scratch);
    FakeSources sources;
    PackageFetch fetch(rig.loop, *rig.store, sources.knock());
    Result<> result;
    const auto begin = [&] {
        fetch.fetch(sample.id, {address_at("shut"), address_at("a"), address_at("b")},
                    [&](Result<> end) { result = std::move(end); });
        rig.loop.run_ready();
        CHECK(sources.asked.back().door == "a");
        sources.answer(sample.piece(0));
        sources.answer(fail(Fault::timed_out, "no answer"));  // half way
        CHECK(sources.asked.back().door == "b");
        CHECK(sources.asked.back().fetch.offset == 0);  // nothing of a source that failed is trusted
    };
    begin();
    for (std::uint64_t piece = 0; piece < 3; ++piece)
        sources.answer(sample.piece(piece));
    CHECK(result);

    std::filesystem::remove_all(rig.scratch / "store");
    rig.reopen();
    PackageFetch again(rig.loop, *rig.store, sources.knock());
    again.fetch(sample.id, {address_at("shut"), address_at("b")}, [&](Result<> end) { result = std::move(end); });
    rig.loop.run_ready();
    auto wrong = sample.piece(0);
    wrong.bytes[700] ^= 1;
    sources.answer(wrong);
    sources.answer(sample.piece(1));
    sources.answer(sample.piece(2));
    REQUIRE_FALSE(result);
    CHECK(result.error().fault == Fault::corrupt);
    CHECK(result.error().message.find("shut: the door is shut; ipc:///b: ") != std::string::npos);
    CHECK_FALSE(rig.store->has(sample.id));
}

TEST_CASE("a fetch without sources, with a wrong answer, or too slow ends with an error") {
    Rig rig;
    const Sample sample(rig.scratch);
    FakeSources sources;
    PackageFetch fetch(rig.loop, *rig.store, sources.knock());
    Result<> result;
    const auto begin = [&](const std::vector<Address>& doors) {
        result = {};
        fetch.fetch(sample.id, doors, [&](Result<> end) { result = std::move(end); });
        rig.loop.run_ready();
    };
    begin({});
    CHECK(result.error().message ==
          fmt::format("no board could give package {}: none that has it was named", sample.id));
    begin({address_at("a")});
    sources.answer(sample.piece(1));  // not the one that was asked for
    CHECK(result.error().fault == Fault::corrupt);
    begin({address_at("a")});
    sources.answer(sample.piece(0));
    rig.loop.run_for(9s);
    REQUIRE_FALSE(result);
    CHECK(result.error().fault == Fault::timed_out);
    CHECK(result.error().message == fmt::format("package {} did not come within 9 s (1048576 of {} bytes)",
                                                sample.id, sample.bytes_of_archive.size()));
}
