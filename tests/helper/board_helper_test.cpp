// The real board helper on a board of plain files: what it hands out, what it refuses, and what comes after a job or a helper
// that died.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

#include "base/asio_loop.hpp"
#include "overlays/helper/helper_link.hpp"
#include "overlays/helper/job_loader.hpp"
#include "overlays/helper/packets.hpp"
#include "tests/zynq/tree_board.hpp"
#include "tests/zynq/zynq_world.hpp"

using namespace fard;
using namespace fard::helper;
using namespace fard::test;
using namespace std::chrono_literals;

namespace {

std::filesystem::path helper_program() {
    const char* build = std::getenv("FARD_BUILD_ROOT");
    REQUIRE_MESSAGE(build, "FARD_BUILD_ROOT is not set; run by `meson test`");
    return std::filesystem::path(build) / "overlays/fard-board-helper";
}

TimePoint soon() {
    return std::chrono::steady_clock::now() + 60s;
}

// A board with two packages, and its helper.
struct Rig {
    ZynqWorld world;
    ScratchDir root;
    Package first = world.package({}), second = world.package({.fill = 2});
    TreeBoard board{root.path(), first.manifest.hardware[0].registers,
                    {{firmware_name_of(first), world.design_of(first)}, {firmware_name_of(second), world.design_of(second)}}, {}};
    zynq::FabricSetup setup{board.roots(), "xc7z020clg484-1", {}, ""};
    AsioLoop loop;
    std::unique_ptr<HelperLink> link = HelperLink::open(loop, {"", helper_program(), setup}).value();

    // As a node manager hands a job its device, and the job opens it.
    struct Job {
        OwnedFd session;
        std::unique_ptr<Device> device;
    };
    Job job(const Package& package) {
        auto session = link->session(package.id, package.dir).value();
        auto device = open_device({"zynq", "fpga0", 1, 0, session.get()}).value();
        return {std::move(session), std::move(device)};
    }
    std::size_t programmed() const { return board.programmed().size(); }
};

// Whether chunks come out of it as the CPU computes them.
void check_chunks(Device& device, const Package& package, unsigned seed) {
    const auto chunks = random_chunks(package, 5, seed), right = on_soft_device(package, chunks);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        const std::vector<Bytes> inputs(chunks[i].begin(), chunks[i].end());
        WireChunk out{std::vector<std::byte>(package.manifest.outputs[0].wire_bytes())};
        const MutableBytes output(out[0]);
        REQUIRE(device.submit(i, inputs, {&output, 1}, soon()));
        REQUIRE(await_chunk(device, soon()).value() == i);
        CHECK(out == right[i]);
    }
}

std::string text_of(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

// What follows a key of /proc/PID/status; "" if the process is gone.
std::string status_text(const std::string& process, const std::string& key) {
    const auto text = text_of("/proc/" + process + "/status");
    const auto at = text.find("\n" + key + ":\t");
    return at == std::string::npos ? "" : text.substr(at + key.size() + 3, text.find('\n', at + 1) - at - key.size() - 3);
}

// A number of it, which is hexadecimal.
std::uint64_t status_of(pid_t process, const std::string& key) {
    const auto text = status_text(std::to_string(process), key);
    REQUIRE_FALSE(text.empty());
    return std::stoull(text, nullptr, 16);
}

std::set<pid_t> children_of(pid_t parent) {
    std::set<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") == std::string::npos && status_text(name, "PPid") == std::to_string(parent))
            found.insert(std::stoi(name));
    }
    return found;
}

// No capability but that to read packages, none to be gained, and of those that this process has alone.
void check_confined(pid_t helper) {
    constexpr std::uint64_t dac_read_search = 1 << 2, setpcap = 1 << 8;
    const auto own = status_of(::getpid(), "CapEff");
    for (const auto* set : {"CapPrm", "CapEff"}) CHECK(status_of(helper, set) == (own & dac_read_search));
    for (const auto* set : {"CapInh", "CapAmb"}) CHECK(status_of(helper, set) == 0);
    if (own & setpcap) CHECK((status_of(helper, "CapBnd") & ~dac_read_search) == 0);
    CHECK(status_of(helper, "NoNewPrivs") == 1);
}

}  // namespace

TEST_CASE("a job loads through the helper, and the next one attaches") {
    Rig rig;
    {
        auto job = rig.job(rig.first);
        REQUIRE(load_now(*job.device, rig.first, soon()));
        CHECK(job.device->counts().reloads == 1);
        check_chunks(*job.device, rig.first, 1);
    }
    auto job = rig.job(rig.first);
    REQUIRE(load_now(*job.device, rig.first, soon()));
    CHECK(job.device->counts().reloads == 0);
    check_chunks(*job.device, rig.first, 2);
    CHECK(rig.board.programmed() == std::vector{firmware_name_of(rig.first)});

    // What is not to be trusted any more is loaded anew.
    job.device->unload();
    REQUIRE(load_now(*job.device, rig.first, soon()));
    CHECK(job.device->counts().reloads == 1);
    check_chunks(*job.device, rig.first, 3);
}

TEST_CASE("two jobs take turns, and neither gets the fabric while the other has it") {
    Rig rig;
    auto one = rig.job(rig.first), other = rig.job(rig.second);
    REQUIRE(load_now(*one.device, rig.first, soon()));
    for (int again = 0; again < 2; ++again) {
        const auto refused = load_now(*other.device, rig.second, soon());
        REQUIRE_FALSE(refused);
        CHECK(refused.error().fault == Fault::refused);
        CHECK(refused.error().message.find("in use by a job with package " + rig.first.id.substr(0, 16)) != std::string::npos);
    }
    check_chunks(*one.device, rig.first, 1);
    one.device->let_go();  // its turn is over
    REQUIRE(load_now(*other.device, rig.second, soon()));
    check_chunks(*other.device, rig.second, 2);
    other.device->let_go();
    REQUIRE(load_now(*one.device, rig.first, soon()));
    check_chunks(*one.device, rig.first, 3);
    CHECK(rig.programmed() == 3);
    one.device.reset();
    REQUIRE(load_now(*other.device, rig.second, soon()));
    check_chunks(*other.device, rig.second, 4);
    CHECK(rig.programmed() == 4);
}

TEST_CASE("a job that dies in the middle of a DMA: the fabric is programmed anew before the next one gets it") {
    Rig rig;
    {
        auto job = rig.job(rig.first);
        REQUIRE(load_now(*job.device, rig.first, soon()));
        rig.board.wedges = 1;
        const auto chunks = random_chunks(rig.first, 1, 4);
        const std::vector<Bytes> inputs(chunks[0].begin(), chunks[0].end());
        WireChunk out{std::vector<std::byte>(rig.first.manifest.outputs[0].wire_bytes())};
        const MutableBytes output(out[0]);
        REQUIRE(job.device->submit(0, inputs, {&output, 1}, soon()));
        job.session = OwnedFd();  // as its end does
    }
    auto job = rig.job(rig.first);
    REQUIRE(load_now(*job.device, rig.first, soon()));
    CHECK(job.device->counts().reloads == 1);
    CHECK(rig.programmed() == 2);
    check_chunks(*job.device, rig.first, 5);
}

TEST_CASE("what a job may not have loaded is refused, and nothing is programmed") {
    Rig rig;
    const auto load_fails = [&](const std::string& id, const std::filesystem::path& directory) {
        auto session = rig.link->session(id, directory).value();
        REQUIRE(await_board(session.get()).value().part == rig.setup.part);
        return session_loader(session.get())->load(rig.first, false).error();
    };
    const auto other = load_fails(rig.second.id, rig.first.dir);
    CHECK(other.fault == Fault::corrupt);
    CHECK(other.message.find("holds the package " + rig.first.id) != std::string::npos);
    CHECK(load_fails(rig.first.id, rig.root.path() / "none").fault == Fault::not_found);
    std::ofstream(rig.first.dir / "finn-accel.bit", std::ios::app) << "x";
    CHECK(load_fails(rig.first.id, rig.first.dir).message.find("SHA-256") != std::string::npos);
    CHECK(rig.programmed() == 0);
    auto job = rig.job(rig.second);  // and it goes on
    REQUIRE(load_now(*job.device, rig.second, soon()));
    check_chunks(*job.device, rig.second, 6);
}

TEST_CASE("the helper keeps no rights but to read packages, nor does the one that comes when it died") {
    const auto before = children_of(::getpid());
    Rig rig;
    auto parents = children_of(::getpid());
    for (const auto other : before) parents.erase(other);
    REQUIRE(parents.size() == 1);
    const auto parent = *parents.begin();
    check_confined(parent);
    const auto workers = children_of(parent);
    REQUIRE(workers.size() == 1);
    check_confined(*workers.begin());
    ::kill(*workers.begin(), SIGKILL);
    auto next = children_of(parent);
    for (const auto until = soon(); (next.empty() || next == workers) && std::chrono::steady_clock::now() < until;) next = children_of(parent);
    REQUIRE(next.size() == 1);
    check_confined(*next.begin());
    auto job = rig.job(rig.first);  // and that is enough for its work
    REQUIRE(load_now(*job.device, rig.first, soon()));
    check_chunks(*job.device, rig.first, 8);
}

TEST_CASE("a second node manager on one fabric hears at once who has it, and takes nothing from the first") {
    Rig rig;
    CHECK_FALSE(rig.link->complaint());
    {
        const auto second = HelperLink::open(rig.loop, {"", helper_program(), rig.setup}).value();
        REQUIRE(second->complaint());
        CHECK(second->complaint()->fault == Fault::refused);
        const auto& why = second->complaint()->message;
        CHECK_MESSAGE(why.find((rig.setup.roots.run / "fpga0.lock").string()) != std::string::npos, why);
        CHECK_MESSAGE(why.find(fmt::format("the node manager with process {}", ::getpid())) != std::string::npos, why);
        CHECK_MESSAGE(why.find("fabric = \"off\"") != std::string::npos, why);
    }
    {
        auto job = rig.job(rig.first);
        REQUIRE(load_now(*job.device, rig.first, soon()));
        check_chunks(*job.device, rig.first, 9);
    }
    rig.link.reset();  // the next one waits until it is gone
    CHECK_FALSE(HelperLink::open(rig.loop, {"", helper_program(), rig.setup}).value()->complaint());
}

TEST_CASE("packets that no job says change nothing") {
    Rig rig;
    auto session = rig.link->session(rig.first.id, rig.first.dir).value();
    REQUIRE(await_board(session.get()));
    for (const std::string& packet : {std::string("\x00", 1), std::string("\x01\x63zz", 4), std::string(40'000, 'x'), encode(Failed{Fault::io, "x"}),
                                      encode(Session{rig.second.id, rig.second.dir.string()}), encode(GiveBack{true})})
        REQUIRE(::send(session.get(), packet.data(), packet.size(), MSG_NOSIGNAL) > 0);
    const auto access = session_loader(session.get())->load(rig.first, false);
    REQUIRE(access);
    CHECK(access->programmed);
    CHECK(access->operating());
    CHECK(access->memory(1 << 16).value()->bytes().size() == 1 << 20);
    CHECK(access->memory(1 << 30).error().message.find("no memory of 1073741824 bytes") != std::string::npos);
    CHECK(access->registers({"nothing", "", 0x40000000, 4096}).error().fault == Fault::not_found);
}

TEST_CASE("a helper that a service starts, for one node manager after the other") {
    ZynqWorld world;
    const ScratchDir root;
    const auto package = world.package({});
    TreeBoard board(root.path(), package.manifest.hardware[0].registers, world.design_of(package));
    const auto roots = board.roots();
    const auto config = root.path() / "fardd.toml", place = root.path() / "helper.socket";
    std::ofstream(config) << fmt::format("name = \"zed\"\npart = \"xc7z020clg484-1\"\nsys_dir = \"{}\"\nconfigfs_dir = \"{}\"\n"
                                         "firmware_dir = \"{}\"\ndev_dir = \"{}\"\nfabric_dir = \"{}\"\n",
                                         roots.sys.string(), roots.configfs.string(), roots.firmware.string(), roots.dev.string(),
                                         roots.run.string());
    const OwnedFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    place.string().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener.get(), 4) == 0);
    AsioLoop loop;
    ChildSpec spec{.program = helper_program(), .args = {"--config", config.string()}, .descriptors = {{3, listener.get()}}};
    spec.capture_stderr = false;
    const auto service = ChildProcess::start(loop, spec, [](const ChildExit&) {}).value();
    for (const std::uint64_t reloads : {1u, 0u}) {
        const auto link = HelperLink::open(loop, {place, "", {{}, "xc7z020clg484-1", {}, ""}}).value();
        const auto session = link->session(package.id, package.dir).value();
        const auto device = open_device({"zynq", "fpga0", 1, 0, session.get()}).value();
        REQUIRE(load_now(*device, package, soon()));
        CHECK(device->counts().reloads == reloads);
        check_chunks(*device, package, 7);
        check_confined(service->pid());
        const auto second = HelperLink::open(loop, {place, "", {}}).value();
        REQUIRE(second->complaint());
        CHECK(second->complaint()->fault == Fault::refused);
        CHECK(second->complaint()->message.find(fmt::format("process {}", ::getpid())) != std::string::npos);
        check_chunks(*device, package, 8);
    }
    CHECK(HelperLink::open(loop, {root.path() / "nobody", "", {}}).error().message.find("is its service started") != std::string::npos);
}
