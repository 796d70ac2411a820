#include "tests/e2e/zynq_cluster.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <stdexcept>

#include "client/app_file.hpp"
#include "model/model.hpp"
#include "tests/finn/made_deployment.hpp"
#include "tests/zynq/package_design.hpp"

namespace fard::e2e {

using namespace std::chrono_literals;
using nlohmann::json;
using test::MadeDeployment;
using test::MadeStream;
using test::TreeBoard;

namespace {

void require(bool fine, const std::string& what) {
    if (!fine) throw std::runtime_error(what);
}

bool is_helper(pid_t process) {
    return read_file(fmt::format("/proc/{}/cmdline", process)).find("fard-board-helper") != std::string::npos;
}

MadeStream stream_of(const TensorDesc& tensor) {
    std::int64_t inner = 8;
    while (tensor.shape.back() % inner != 0) --inner;
    return {tensor.type, tensor.shape, inner};
}

}  // namespace

// ---- the app

BuiltApp::BuiltApp(const World& world, const std::string& name, const BuiltFor& board) : name_(name) {
    const auto apps = (source_root() / "apps").string() + "/";
    const auto app = read_app_file(apps + name + ".toml").value();
    model_ = app.model->file;
    const auto stages = model::cut(model::Model::load(model_).value(), app.model->cuts).value();
    auto text = read_file(app.file);
    for (const std::string directory : {"\"two_stage_bnn/", "\"mobilenet_six_stage/"})
        for (std::size_t at = 0; (at = text.find(directory, at)) != std::string::npos;) text.replace(at, 1, "\"" + apps);
    std::size_t at = 0;
    for (std::size_t i = 0; i < stages.size(); ++i) {
        import(world, i, stages[i].onnx, stages[i].inputs, stages[i].outputs, board);
        const std::string header = "[[pipeline.position]]\n";
        at = text.find(header, at) + header.size();
        text.insert(at, fmt::format("overlay = \"{}\"\n", packages_.back().dir.string()));
    }
    file_ = world.files().write(name + "-built.toml", text);
}

void BuiltApp::import(const World& world, std::size_t number, const std::string& onnx, const std::vector<TensorDesc>& inputs,
                      const std::vector<TensorDesc>& outputs, const BuiltFor& board) {
    const auto name = fmt::format("{}-{}", name_, number);
    MadeDeployment made;
    for (const auto& tensor : inputs) made.inputs.push_back(stream_of(tensor));
    for (const auto& tensor : outputs) made.outputs.push_back(stream_of(tensor));
    made.package = board.package;
    made.first_address = board.first_address;
    made.bitstream.part = "7z020" + board.package;
    made.bitstream.frame_words = board.frame_words;
    made.bitstream.fill = static_cast<std::uint32_t>(number) + 1;
    for (const auto& [path, content] : made.files()) world.files().write(name + "/" + path, content);
    const auto file = world.files().write(name + ".onnx", onnx);
    const auto store = world.files().path() / "overlays";
    const auto outcome = world.fard({"overlay", "import", (world.files().path() / name).string(), "--name", name, "--model",
                                     file.string(), "--store", store.string()});
    require(outcome.exit_code == 0, outcome.err);
    packages_.push_back(Package::open(store / outcome.out.substr(0, 64)).value());
}

fs::path BuiltApp::verified(const World& world) const {
    auto text = read_file(file_);
    for (std::size_t at = 0; (at = text.find("overlay = ", at)) != std::string::npos; at += 40) text.insert(at, "params = { verify = 1 }\n");
    return world.files().write(name_ + "-verified.toml", text);
}

TreeBoard::Designs BuiltApp::designs() const {
    TreeBoard::Designs designs;
    for (const auto& package : packages_)
        designs[test::firmware_name_of(package)] = test::design_of_package(package);
    return designs;
}

// ---- the boards

ZynqCluster::ZynqCluster(const World& world, const BuiltApp& app, int boards, const std::vector<std::string>& more) : world_(world) {
    fs::permissions(files_.path(), fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    for (int i = 0; i < boards; ++i)
        boards_.push_back(std::make_unique<TreeBoard>(files_.path() / fmt::format("board{}", i), app.registers(), app.designs(),
                                                      TreeBoard::Setup{std::uint64_t{16} << 20, ""}));
    start(more);
}

std::vector<std::string> ZynqCluster::command(std::size_t number, const fs::path& state) const {
    const auto roots = boards_[number]->roots();
    return {(build_root() / "runtime/node_manager/fardd").string(), "--state-dir", state.string(), "--name",
            fmt::format("zynq{}", number), "--cluster", "zynqs", "--part", "xc7z020clg484-1", "--sys-dir",
            roots.sys, "--configfs-dir", roots.configfs, "--firmware-dir", roots.firmware, "--dev-dir",
            roots.dev, "--fabric-dir", roots.run};
}

void ZynqCluster::start(const std::vector<std::string>& more) {
    for (std::size_t i = 0; i < boards_.size(); ++i) {
        const auto state = files_.path() / fmt::format("state{}", i);
        if (std::ranges::find(more, "--user") == more.end()) {  // else it makes it for that user
            fs::create_directories(state);
            fs::permissions(state, fs::perms::owner_all);
        }
        auto words = command(i, state);
        if (i > 0) words.insert(words.end(), {"--seed", door(0)});
        words.insert(words.end(), more.begin(), more.end());
        managers_.emplace_back(words, std::map<std::string, std::string>{{"XDG_RUNTIME_DIR", world_.directory().string()}});
    }
    const bool all = eventually(
        [&] {
            const auto now = status();
            return now.is_object() && now["boards"].size() == boards_.size();
        },
        30s);
    require(all, "the node managers do not find each other");
}

void ZynqCluster::stop() {
    for (auto& manager : managers_) {
        manager.signal(SIGTERM);
        const auto ended = manager.wait(60s);
        require(ended.exit_code == 0, fmt::format("a node manager ends with {}: {}", ended.exit_code, ended.err));
    }
    managers_.clear();
}

fs::path ZynqCluster::stored(std::size_t number, const std::string& package) const {
    return files_.path() / fmt::format("state{}/overlays", number) / package;
}

std::string ZynqCluster::door(std::size_t number) const {
    return fmt::format("ipc://{}/state{}/node.ipc", files_.path().string(), number);
}

json ZynqCluster::status() const {
    return world_.fard({"status", "--json", "--node", door(0)}).json();
}

Outcome ZynqCluster::submit(const fs::path& app, int chunks, const std::string& tag, const std::vector<std::string>& more) const {
    std::vector<std::string> words{"submit", app.string(), "--node", door(0), "--chunks", std::to_string(chunks), "--output",
                                   result(tag).string(), "--prepared", result(tag + "-in").string(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return world_.fard(words);
}

std::string ZynqCluster::uncut(const BuiltApp& app, const std::string& tag) const {
    const auto outcome = world_.fard({"run", app.model().string(), "--input", result(tag + "-in").string(), "--output",
                                      result(tag + "-whole").string()});
    require(outcome.exit_code == 0, outcome.err);
    return read_file(result(tag + "-whole"));
}

bool ZynqCluster::nothing_leased() const {
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

std::vector<std::string> ZynqCluster::loaded() const {
    std::vector<std::string> ids;
    const auto now = status();
    for (const auto& board : now["boards"])
        for (const auto& device : board["devices"])
            for (const auto& slot : device["loaded"])
                if (slot["state"] == "loaded") ids.push_back(slot["overlay"]);
    std::ranges::sort(ids);
    return ids;
}

std::vector<pid_t> helpers_of(pid_t manager) {
    std::vector<pid_t> found;
    for (const auto child : children_of(manager))
        if (is_helper(child))
            for (const auto worker : children_of(child)) found.push_back(worker);
    return found;
}

std::vector<pid_t> stages_of(pid_t manager) {
    auto found = jobs_of(manager);
    std::erase_if(found, is_helper);
    return found;
}

}  // namespace fard::e2e
