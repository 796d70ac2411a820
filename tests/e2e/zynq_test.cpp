// Apps on boards with fabrics of their own: real node managers and jobs on Linux's files of boards that are plain ones, with
// packages imported from what FINN leaves.
#include <doctest/doctest.h>

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "client/app_file.hpp"
#include "model/model.hpp"
#include "overlays/device/device.hpp"
#include "tests/e2e/harness.hpp"
#include "tests/finn/made_deployment.hpp"
#include "tests/zynq/tree_board.hpp"

using namespace fard;
using namespace fard::e2e;
using namespace fard::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

// On a thread where no check of the test's can fail.
template <typename T>
void must(const Result<T>& done) {
    if (!done) std::abort();
}

// A stage on the CPU, on the thread that first asks for it: fast, and right to the last bit.
std::function<FakeDesign::Wire(const FakeDesign::Wire&)> computed(Package package) {
    return [package = std::move(package), device = std::shared_ptr<Device>()](const FakeDesign::Wire& in) mutable {
        if (!device) {
            device = open_device({"soft", "cpu0"}).value();
            must(load_now(*device, package, TimePoint::max()));
        }
        FakeDesign::Wire out;
        for (const auto& tensor : package.manifest.outputs) out.emplace_back(tensor.wire_bytes());
        const std::vector<Bytes> inputs(in.begin(), in.end());
        const std::vector<MutableBytes> outputs(out.begin(), out.end());
        must(device->submit(0, inputs, outputs, TimePoint::max()));
        must(await_chunk(*device, TimePoint::max()));
        return out;
    };
}

MadeStream stream_of(const TensorDesc& tensor) {
    std::int64_t inner = 8;
    while (tensor.shape.back() % inner != 0) --inner;
    return {tensor.type, tensor.shape, inner};
}

// An app whose stages FINN has built: its file, and the packages.
class BuiltApp {
  public:
    BuiltApp(const World& world, const std::string& name, const std::string& part = "clg484") : name_(name) {
        const auto app = read_app_file(source_root() / "apps" / (name + ".toml")).value();
        model_ = app.model->file;
        auto stages = model::cut(model::Model::load(model_).value(), app.model->cuts).value();
        auto text = read_file(app.file);
        for (std::size_t at = 0; (at = text.find("\"two_stage_bnn/", at)) != std::string::npos;) text.replace(at, 1, "\"" + apps());
        for (std::size_t at = 0; (at = text.find("\"mobilenet_six_stage/", at)) != std::string::npos;) text.replace(at, 1, "\"" + apps());
        std::size_t at = 0;
        for (std::size_t i = 0; i < stages.size(); ++i) {
            import(world, i, stages[i], part);
            const std::string header = "[[pipeline.position]]\n";
            at = text.find(header, at) + header.size();
            text.insert(at, fmt::format("overlay = \"{}\"\n", packages_.back().dir.string()));
        }
        file_ = world.files().write(name + "-built.toml", text);
    }

    // The same app with every result held against the CPU's.
    fs::path verified(const World& world) const {
        auto text = read_file(file_);
        for (std::size_t at = 0; (at = text.find("overlay = ", at)) != std::string::npos; at += 40) text.insert(at, "params = { verify = 1 }\n");
        return world.files().write(name_ + "-verified.toml", text);
    }
    const fs::path& file() const { return file_; }
    const fs::path& model() const { return model_; }
    const std::vector<Package>& packages() const { return packages_; }
    const std::vector<RegisterBlock>& registers() const { return packages_.front().manifest.hardware.front().registers; }

    TreeBoard::Designs designs() const {
        TreeBoard::Designs designs;
        for (const auto& package : packages_)
            designs[firmware_name_of(package)] = design_of_build(package.manifest.hardware.front(), package.manifest.inputs,
                                                                 package.manifest.outputs, computed(package));
        return designs;
    }

  private:
    static std::string apps() { return (source_root() / "apps").string() + "/"; }

    void import(const World& world, std::size_t number, const model::Stage& stage, const std::string& part) {
        const auto name = fmt::format("{}-{}", name_, number);
        MadeDeployment made;
        for (const auto& tensor : stage.inputs) made.inputs.push_back(stream_of(tensor));
        for (const auto& tensor : stage.outputs) made.outputs.push_back(stream_of(tensor));
        made.package = part;
        made.bitstream.part = "7z020" + part;
        made.bitstream.fill = static_cast<std::uint32_t>(number) + 1;
        for (const auto& [path, content] : made.files()) world.files().write(name + "/" + path, content);
        const auto onnx = world.files().write(name + ".onnx", stage.onnx);
        const auto store = world.files().path() / "overlays";
        const auto outcome = world.fard({"overlay", "import", (world.files().path() / name).string(), "--name", name, "--model",
                                         onnx.string(), "--store", store.string()});
        CAPTURE(outcome.err);
        REQUIRE(outcome.exit_code == 0);
        packages_.push_back(Package::open(store / outcome.out.substr(0, 64)).value());
    }

    std::string name_;
    fs::path model_, file_;
    std::vector<Package> packages_;
};

// Boards with fabrics, each with its node manager.
class ZynqCluster {
  public:
    ZynqCluster(const World& world, const BuiltApp& app, int boards, const std::vector<std::string>& more = {}) : world_(world) {
        fs::permissions(files_.path(), fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
        for (int i = 0; i < boards; ++i) {
            const auto root = files_.path() / fmt::format("board{}", i);
            boards_.push_back(std::make_unique<TreeBoard>(root, app.registers(), app.designs(),
                                                          TreeBoard::Setup{std::uint64_t{16} << 20, ""}));
        }
        start(more);
    }

    void start(const std::vector<std::string>& more = {}) {
        for (std::size_t i = 0; i < boards_.size(); ++i) {
            const auto state = files_.path() / fmt::format("state{}", i);
            if (std::ranges::find(more, "--user") == more.end()) {  // else it makes it for that user
                fs::create_directories(state);
                fs::permissions(state, fs::perms::owner_all);
            }
            const auto roots = boards_[i]->roots();
            std::vector<std::string> command{(build_root() / "runtime/node_manager/fardd").string(), "--state-dir", state.string(), "--name",
                                             fmt::format("zynq{}", i), "--cluster", "zynqs", "--part", "xc7z020clg484-1", "--sys-dir",
                                             roots.sys, "--configfs-dir", roots.configfs, "--firmware-dir", roots.firmware, "--dev-dir",
                                             roots.dev, "--fabric-dir", roots.run};
            if (i > 0) command.insert(command.end(), {"--seed", door(0)});
            command.insert(command.end(), more.begin(), more.end());
            managers_.emplace_back(command, std::map<std::string, std::string>{{"XDG_RUNTIME_DIR", world_.directory().string()}});
        }
        const bool all = eventually(
            [&] {
                const auto now = status();
                return now.is_object() && now["boards"].size() == boards_.size();
            },
            30s);
        REQUIRE(all);
    }

    void stop() {
        for (auto& manager : managers_) {
            manager.signal(SIGTERM);
            CHECK(manager.wait(60s).exit_code == 0);
        }
        managers_.clear();
    }

    const std::vector<Background>& managers() const { return managers_; }
    TreeBoard& board(std::size_t number) { return *boards_[number]; }
    fs::path stored(std::size_t number, const Package& package) const {
        return files_.path() / fmt::format("state{}/overlays", number) / package.id;
    }
    std::string door(std::size_t number) const {
        return fmt::format("ipc://{}/state{}/node.ipc", files_.path().string(), number);
    }

    json status() const { return world_.fard({"status", "--json", "--node", door(0)}).json(); }

    Outcome submit(const BuiltApp& app, int chunks, const std::string& tag, const std::vector<std::string>& more = {}) const {
        return submit(app.file(), chunks, tag, more);
    }
    Outcome submit(const fs::path& app, int chunks, const std::string& tag, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> words{"submit", app.string(), "--node", door(0), "--chunks", std::to_string(chunks), "--output",
                                       result(tag).string(), "--prepared", result(tag + "-in").string(), "--json"};
        words.insert(words.end(), more.begin(), more.end());
        return world_.fard(words);
    }
    fs::path result(const std::string& tag) const { return world_.files().path() / (tag + ".npy"); }

    std::string uncut(const BuiltApp& app, const std::string& tag) const {
        const auto outcome = world_.fard({"run", app.model().string(), "--input", result(tag + "-in").string(), "--output",
                                          result(tag + "-whole").string()});
        CAPTURE(outcome.err);
        REQUIRE(outcome.exit_code == 0);
        return read_file(result(tag + "-whole"));
    }

    bool nothing_leased() const {
        return eventually(
            [&] {
                const auto now = status();
                for (const auto& board : now["boards"])
                    for (const auto& device : board["devices"])
                        if (device["healthy"] == true && device["slots_free"] != device["slots"]) return false;
                return true;
            },
            10s);
    }

    std::vector<std::string> loaded() const {  // ids
        std::vector<std::string> ids;
        const auto now = status();
        for (const auto& board : now["boards"])
            for (const auto& device : board["devices"])
                for (const auto& slot : device["loaded"])
                    if (slot["state"] == "loaded") ids.push_back(slot["overlay"]);
        std::ranges::sort(ids);
        return ids;
    }

  private:
    const World& world_;
    TempDir files_;
    std::vector<std::unique_ptr<TreeBoard>> boards_;
    std::vector<Background> managers_;
};

// The helper that works for a node manager: not its child, but that one's.
std::vector<pid_t> helpers_of(pid_t manager) {
    std::vector<pid_t> found;
    for (const auto child : children_of(manager))
        if (read_file(fmt::format("/proc/{}/cmdline", child)).find("fard-board-helper") != std::string::npos)
            for (const auto worker : children_of(child)) found.push_back(worker);
    return found;
}

std::string user_of(pid_t process) {
    const auto text = read_file(fmt::format("/proc/{}/status", process));
    const auto at = text.find("Uid:\t");
    return at == std::string::npos ? "" : text.substr(at + 5, text.find('\t', at + 5) - at - 5);
}

void check_app(int boards, const std::string& name, int chunks) {
    World world;
    const BuiltApp app(world, name);
    ZynqCluster cluster(world, app, boards);
    const auto first = cluster.submit(app, chunks, "first");
    CAPTURE(first.err);
    REQUIRE(first.exit_code == 0);
    CHECK(read_file(cluster.result("first")) == cluster.uncut(app, "first"));
    const auto summary = first.json();
    CHECK(summary["reloads"] == boards);
    REQUIRE(summary["stages"].size() == static_cast<std::size_t>(boards));
    for (const auto& stage : summary["stages"]) CHECK(stage["device"] == "fpga0");
    std::vector<std::string> ids;
    for (const auto& package : app.packages()) ids.push_back(package.id);
    std::ranges::sort(ids);
    CHECK(eventually([&] { return cluster.loaded() == ids; }, 10s));

    const auto second = cluster.submit(app, chunks, "second");
    CAPTURE(second.err);
    REQUIRE(second.exit_code == 0);
    CHECK(read_file(cluster.result("second")) == read_file(cluster.result("first")));
    CHECK(second.json()["reloads"] == 0);
    CHECK(cluster.nothing_leased());

    cluster.stop();  // what is loaded outlives the node managers
    cluster.start();
    CHECK(eventually([&] { return cluster.loaded() == ids; }, 10s));
    const auto third = cluster.submit(app, chunks, "third");
    CAPTURE(third.err);
    REQUIRE(third.exit_code == 0);
    CHECK(third.json()["reloads"] == 0);
    CHECK(read_file(cluster.result("third")) == read_file(cluster.result("first")));
}

}  // namespace

TEST_CASE("two_stage_bnn on two Zynq boards: exact, and the second run loads nothing") {
    check_app(2, "two_stage_bnn", 40);
}

TEST_CASE("mobilenet_six_stage on six Zynq boards: exact, and the second run loads nothing") {
    check_app(6, "mobilenet_six_stage", 6);
}

TEST_CASE("a Zynq board's faults that pass: the run completes exactly, and nothing stays leased") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    std::string right;
    int number = 0;
    for (auto fault : {&TreeBoard::load_failures, &TreeBoard::busy, &TreeBoard::wedges}) {
        CAPTURE(++number);
        for (std::size_t i = 0; i < 2; ++i)
            if (fault == &TreeBoard::wedges) cluster.board(i).wedges = i == 0;
            else fs::remove(cluster.board(i).roots().run / "fpga0.loaded");  // so that it is programmed anew
        if (fault != &TreeBoard::wedges) (cluster.board(0).*fault) = 1;
        const auto ran = cluster.submit(app, 8, "fault");
        CAPTURE(ran.err);
        REQUIRE(ran.exit_code == 0);
        if (right.empty()) right = cluster.uncut(app, "fault");
        CHECK(read_file(cluster.result("fault")) == right);
        CHECK((cluster.board(0).*fault).load() == 0);
        CHECK(cluster.nothing_leased());
    }
}

TEST_CASE("a Zynq board's faults that stay: the run ends with the reason, and nothing stays leased") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    const auto broken = [](const TreeBoard& board, const std::string& file) { return (board.roots().dev.parent_path() / file).string(); };
    struct Fault {
        const char* step;
        std::function<void(TreeBoard&)> make;
        std::string reason;
    };
    const std::vector<Fault> faults{
        {"map", [&](TreeBoard& board) { fs::remove(broken(board, "dev/uio1")); }, "dev/uio1: No such file or directory"},
        {"map", [&](TreeBoard& board) { board.put("sys/class/u-dma-buf/udmabuf0/size", "4096\n"); }, "that the fabric can read"},
        {"unload", [&](TreeBoard& board) { fs::create_directories(broken(board, "run/fpga0.loaded/not-empty")); }, "fpga0.loaded"},
        {"program", [&](TreeBoard& board) {
             const auto flags = broken(board, "sys/class/fpga_manager/fpga0/flags");
             fs::remove(flags);
             fs::create_symlink("/dev/null", flags);
         }, "the driver does not keep its flags; nothing was programmed"},
        {"program", [&](TreeBoard& board) {
             const auto firmware = broken(board, "sys/class/fpga_manager/fpga0/firmware");
             fs::remove(firmware);
             fs::create_symlink("/dev/full", firmware);
         }, "programming failed"}};
    for (const auto& fault : faults) {
        CAPTURE(fault.step);
        CAPTURE(fault.reason);
        ZynqCluster cluster(world, app, 2);
        for (std::size_t i = 0; i < 2; ++i) fault.make(cluster.board(i));
        const auto ran = cluster.submit(app, 4, "stays", {"--timeout", "30"});
        CHECK(ran.exit_code == 1);
        CHECK_MESSAGE(ran.err.find(fault.reason) != std::string::npos, ran.err);
        CHECK(cluster.nothing_leased());
        if (fault.step == std::string("program")) CHECK(cluster.loaded().empty());
    }
}

TEST_CASE("what the gate refuses is never programmed, unless the board accepts that part") {
    World world;
    const BuiltApp app(world, "two_stage_bnn", "clg400");
    {
        ZynqCluster cluster(world, app, 2);
        const auto ran = cluster.submit(app, 4, "gate");
        CHECK(ran.exit_code != 0);
        CHECK_MESSAGE(ran.err.find("accept_parts = [\"7z020clg400\"]") != std::string::npos, ran.err);
        CHECK(cluster.nothing_leased());
        for (std::size_t i = 0; i < 2; ++i) CHECK(cluster.board(i).programmed().empty());
    }
    ZynqCluster cluster(world, app, 2, {"--accept-part", "7z020clg400"});
    const auto ran = cluster.submit(app, 4, "gate");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(read_file(cluster.result("gate")) == cluster.uncut(app, "gate"));
}

TEST_CASE("a board helper that dies is there again for the next run") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    REQUIRE(cluster.submit(app, 4, "before").exit_code == 0);
    for (const auto& manager : cluster.managers()) {
        const auto helpers = helpers_of(manager.pid());
        REQUIRE(helpers.size() == 1);
        ::kill(helpers.front(), SIGKILL);
        CHECK(eventually([&] { const auto now = helpers_of(manager.pid()); return now.size() == 1 && now != helpers; }, 10s));
    }
    const auto ran = cluster.submit(app, 4, "after");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(ran.json()["reloads"] == 0);
    CHECK(read_file(cluster.result("after")) == read_file(cluster.result("before")));
    CHECK(cluster.nothing_leased());
}

TEST_CASE("node managers and jobs of a user without rights run on fabrics that root alone may touch") {
    bool reachable = true;
    for (auto place = build_root(); place.has_relative_path(); place = place.parent_path())
        reachable = reachable && (fs::status(place).permissions() & fs::perms::others_exec) != fs::perms::none;
    if (::geteuid() != 0 || !reachable) {
        MESSAGE("skipped: only root can start a node manager that becomes another user, who must reach the programs");
        return;
    }
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2, {"--user", "nobody"});
    const auto ran = cluster.submit(app, 4, "nobody");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(read_file(cluster.result("nobody")) == cluster.uncut(app, "nobody"));
    for (const auto& manager : cluster.managers()) {
        CHECK(user_of(manager.pid()) != "0");
        const auto helpers = helpers_of(manager.pid());
        REQUIRE(helpers.size() == 1);
        CHECK(user_of(helpers.front()) == "0");
        for (const auto job : parked_of(manager.pid())) CHECK(user_of(job) == user_of(manager.pid()));
    }
    CHECK(cluster.submit(app, 4, "again").json()["reloads"] == 0);
}

TEST_CASE("a package that was changed in a board's store is never programmed, and fetched again") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    REQUIRE(cluster.submit(app, 4, "before").exit_code == 0);
    cluster.stop();
    for (std::size_t i = 0; i < 2; ++i) {
        fs::remove(cluster.board(i).roots().run / "fpga0.loaded");
        for (const auto& package : app.packages())
            if (const auto file = cluster.stored(i, package) / "finn-accel.bit"; fs::exists(file)) {
                auto bytes = read_file(file);
                bytes[bytes.size() / 2] ^= 1;
                std::ofstream(file, std::ios::binary) << bytes;
            }
    }
    cluster.start();
    const auto ran = cluster.submit(app, 4, "after");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(read_file(cluster.result("after")) == read_file(cluster.result("before")));
    for (std::size_t i = 0; i < 2; ++i) CHECK(cluster.board(i).programmed().size() == 2);
}

TEST_CASE("a wrong result of a fabric is found where results are verified, and made again") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    cluster.board(0).wrong = 1;
    const auto ran = cluster.submit(app.verified(world), 8, "verified");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(cluster.board(0).wrong.load() == 0);
    CHECK(read_file(cluster.result("verified")) == cluster.uncut(app, "verified"));
    CHECK(ran.json()["reloads"] == 3);
}
