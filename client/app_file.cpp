#include "client/app_file.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "base/printable.hpp"
#include "base/read_file.hpp"
#include "client/local_cluster.hpp"
#include "client/toml_section.hpp"
#include "overlays/package/toml_table.hpp"

namespace fard {
namespace {

constexpr std::size_t most_file_bytes = 1 << 20;
constexpr std::int64_t most_replicas = 64;
constexpr std::int64_t most_parts = 8;
constexpr std::int64_t most_pixels_across = 16384;
constexpr std::int64_t most_elements = std::int64_t{1} << 31;  // of one tensor

// Where the parts of one file are read into; paths are resolved against the file's directory.
struct Reading {
    AppFile& app;
    TomlProblems& problems;

    std::filesystem::path path(const std::optional<std::string>& text) const {
        if (!text || text->empty()) return {};
        return (app.file.parent_path() / *text).lexically_normal();
    }
};

// It is shown in tables and typed behind commands.
void check_name(const TomlSection& section, const std::string& name) {
    if (!name.empty() && !is_name(name))
        section.complain("name", fmt::format("is '{}': no control characters, no '-' or '.' in front, no space at an end",
                                             printable_line(name)));
}

void read_app(const Reading& reading, const toml::table& table) {
    const TomlSection section(table, "[app]", {"name", "description"}, reading.problems);
    reading.app.name = section.required_text("name");
    reading.app.description = section.text("description").value_or("");
    if (reading.app.name.size() > 128) section.complain("name", "is longer than 128 bytes");
    check_name(section, reading.app.name);
}

void read_model(const Reading& reading, const toml::table& table) {
    const TomlSection section(table, "[model]", {"file", "cuts", "labels"}, reading.problems);
    auto& model = reading.app.model.emplace();
    model.file = reading.path(section.required_text("file"));
    model.cuts = section.text_sets("cuts");
    model.labels = reading.path(section.text("labels"));
}

AppFile::Size read_size(const TomlSection& size) {
    for (const char* key : {"width", "height"}) {
        if (!size.has(key)) size.missing(key);
    }
    return {size.integer("width", 1, most_pixels_across).value_or(1),
            size.integer("height", 1, most_pixels_across).value_or(1)};
}

void read_resize(const Reading& reading, const toml::table& table) {
    const TomlSection size(table, "[input] resize", {"width", "height", "method"}, reading.problems);
    reading.app.input.resize = read_size(size);
    const auto method = size.text("method").value_or("bilinear");
    if (method != "bilinear")
        size.complain("method", fmt::format("must be \"bilinear\", not \"{}\"", method));
}

void read_crop(const Reading& reading, const toml::table& table) {
    const TomlSection size(table, "[input] crop", {"width", "height", "fraction"}, reading.problems);
    reading.app.input.crop_fraction = size.number("fraction", 0.01, 1).value_or(1);
    const bool sized = size.has("width") || size.has("height");
    if (sized || !size.has("fraction")) reading.app.input.crop = read_size(size);
}

std::vector<float> read_channel_values(const TomlSection& section, const char* key) {
    const auto values = section.numbers(key);
    if (section.has(key) && values.size() != 1 && values.size() != 3) {
        section.complain(
            key, fmt::format("must be one number, or three for three channels, not {}", values.size()));
    }
    return {values.begin(), values.end()};
}

TensorDesc read_tensor(const Reading& reading, const toml::table& table) {
    const TomlSection section(table, "[[input.tensor]]", {"name", "shape", "type", "layout"},
                              reading.problems);
    TensorDesc tensor;
    tensor.name = section.required_text("name");
    if (!section.has("shape")) section.missing("shape");
    tensor.shape = section.integers("shape", 1, most_elements);
    if (section.has("shape") && tensor.shape.empty()) section.complain("shape", "must not be empty");
    std::int64_t elements = 1;
    for (auto extent : tensor.shape) {
        if (elements > most_elements / extent) {
            section.complain("shape", fmt::format("holds more than {} elements", most_elements));
            break;
        }
        elements *= extent;
    }
    const auto type_name = section.required_text("type");
    if (const auto type = DataType::parse(type_name)) {
        tensor.type = *type;
        tensor.declared = type->is_integer() ? "INT32" : "FLOAT32";
    } else if (!type_name.empty()) {
        section.complain("type", fmt::format("is wrong: {}", type.error().message));
    }
    tensor.layout = section.text("layout").value_or("");
    const std::set<std::string> layouts = {"", "NHWC", "NCHW", "NC"};
    if (!layouts.count(tensor.layout)) {
        section.complain("layout", fmt::format("must be NHWC, NCHW, NC or empty, not {}", tensor.layout));
    }
    return tensor;
}

void read_input(const Reading& reading, const toml::table& table) {
    const TomlSection section(
        table, "[input]",
        {"default", "resize", "crop", "channels", "mean", "scale", "tensor", "random_chunks"},
        reading.problems);
    auto& input = reading.app.input;
    input.default_data = reading.path(section.text("default"));
    if (const auto* resize = section.table("resize")) read_resize(reading, *resize);
    if (const auto* crop = section.table("crop")) read_crop(reading, *crop);
    const auto channels = section.text("channels").value_or("rgb");
    if (channels != "rgb" && channels != "bgr") {
        section.complain("channels", fmt::format("must be \"rgb\" or \"bgr\", not \"{}\"", channels));
    }
    input.bgr = channels == "bgr";
    input.mean = read_channel_values(section, "mean");
    input.scale = read_channel_values(section, "scale");
    for (const auto* tensor : section.tables("tensor"))
        input.tensors.push_back(read_tensor(reading, *tensor));
    input.random_chunks =
        static_cast<std::uint64_t>(section.integer("random_chunks", 1, std::int64_t{1} << 32).value_or(0));

    const bool modelled = reading.app.model.has_value();
    if (modelled && section.has("tensor")) section.complain("tensor", "is only for apps without a [model]");
    if (modelled && section.has("random_chunks")) {
        section.complain("random_chunks", "is only for apps without a [model]");
    }
    if (section.has("random_chunks") && section.has("default")) {
        section.complain("random_chunks", "and default exclude each other");
    }
}

// A program's name must not lead out of the board's jobs directory.
bool is_plain_file_name(const std::string& name) {
    if (name.empty() || name.size() > 64 || name[0] == '.' || name[0] == '-') return false;
    return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
           std::string::npos;
}

AppFile::Position read_position(const Reading& reading, const toml::table& table) {
    const TomlSection section(table, "[[pipeline.position]]", {"name", "job", "replicas", "parts", "device", "board", "overlay", "params"},
                              reading.problems);
    AppFile::Position position;
    position.name = section.required_text("name");
    check_name(section, position.name);
    position.job = section.text("job").value_or("stage");
    if (position.job.find('/') != std::string::npos) {  // a path, from the app file
        const auto program = reading.path(position.job);
        auto& dirs = reading.app.jobs_dirs;
        if (std::find(dirs.begin(), dirs.end(), program.parent_path()) == dirs.end()) dirs.push_back(program.parent_path());
        position.job = program.filename().string();
    }
    if (!is_plain_file_name(position.job)) {
        section.complain("job", "must be the file name of a program in the boards' jobs directory, or a path to one from the app file");
    }
    position.replicas = static_cast<std::uint32_t>(section.integer("replicas", 1, most_replicas).value_or(1));
    position.parts = static_cast<std::uint32_t>(section.integer("parts", 2, most_parts).value_or(0));
    if (position.parts && section.has("replicas")) section.complain("parts", "and replicas exclude each other: give one of them");
    if (position.parts && !reading.app.model)
        section.complain("parts", "needs a [model]: a part makes some of the channels of what its stage makes");
    position.device = section.text("device").value_or("");
    position.board = section.text("board").value_or("");
    position.overlays = section.texts("overlay");
    for (auto& overlay : position.overlays)
        if (overlay.find('/') != std::string::npos) overlay = reading.path(overlay).string();
    if (section.has("overlay") && !reading.app.model)
        section.complain("overlay", "needs a [model]: it is one of its stages, built");
    const std::size_t built = position.parts ? position.parts : 1;
    if (!position.overlays.empty() && position.overlays.size() != built)
        section.complain("overlay", position.parts ? fmt::format("must be an array of {} packages, one for each part", built)
                                                   : "must be one package; only parts have several");
    position.params = section.settings("params");
    for (const auto& other : reading.app.positions) {
        if (other.name == position.name && !position.name.empty()) {
            section.complain("name", fmt::format("is '{}' twice; each position has a name of its own", position.name));
        }
    }
    return position;
}

void read_pipeline(const Reading& reading, const toml::table& table) {
    const TomlSection section(table, "[pipeline]", {"chunk_timeout", "window", "link", "batch", "turn_wait", "position"},
                              reading.problems);
    auto& app = reading.app;
    if (const auto timeout = section.milliseconds("chunk_timeout"))
        app.chunk_timeout = std::chrono::milliseconds(*timeout);
    app.window_bytes = section.bytes("window").value_or(app.window_bytes);
    app.link_bytes = section.bytes("link").value_or(app.link_bytes);
    app.batch = static_cast<std::uint64_t>(section.integer("batch", 1, std::int64_t{1} << 40).value_or(0));
    if (const auto wait = section.milliseconds("turn_wait")) app.turn_wait = std::chrono::milliseconds(*wait);
    for (const auto* position : section.tables("position")) {
        app.positions.push_back(read_position(reading, *position));
    }
    if (app.positions.empty()) section.missing("position");
    if (!app.model) return;
    const auto stages = app.model->cuts.size() + 1;
    if (!app.positions.empty() && app.positions.size() != stages) {
        section.complain_overall(
            "position", fmt::format("stands there {} times, but the {} cuts of [model] make {} stages: "
                                    "one position for each",
                                    app.positions.size(), app.model->cuts.size(), stages));
    }
}

void read_cluster(const Reading& reading, const toml::table& table) {
    const TomlSection section(table, "[cluster]", {"boards", "profile", "slots"}, reading.problems);
    auto& cluster = reading.app.cluster;
    cluster.boards = static_cast<std::uint32_t>(section.integer("boards", 1, most_local_boards).value_or(0));
    cluster.profile = section.text("profile").value_or("");
    cluster.slots = static_cast<std::uint32_t>(section.integer("slots", 1, most_local_boards).value_or(0));
}

void read_root(const Reading& reading, const toml::table& table) {
    const TomlSection root(table, "the app file", {"app", "model", "input", "pipeline", "cluster"},
                           reading.problems);
    for (const char* key : {"app", "pipeline"}) {
        if (!root.has(key)) root.missing(fmt::format("[{}]", key));
    }
    if (const auto* app = root.table("app")) read_app(reading, *app);
    if (const auto* model = root.table("model")) read_model(reading, *model);
    if (const auto* input = root.table("input")) read_input(reading, *input);
    if (const auto* pipeline = root.table("pipeline")) read_pipeline(reading, *pipeline);
    if (const auto* cluster = root.table("cluster")) read_cluster(reading, *cluster);
    if (!reading.app.model && reading.app.input.tensors.empty()) {
        root.missing("[model], or [[input.tensor]] to say what a chunk is");
    }
}

}  // namespace

Result<AppFile> parse_app_file(std::string_view text, const std::filesystem::path& file) {
    AppFile app;
    std::error_code gone;
    app.file = std::filesystem::absolute(file, gone).lexically_normal();
    if (gone) return fail(Fault::io, "{}: the directory in which this runs: {}; give a path from the root on", file.string(), gone.message());
    try {
        const toml::table table = toml::parse(text, file.string());
        TomlProblems problems(file.string());
        read_root(Reading{app, problems}, table);
        if (problems.first()) return fail(*problems.first());
        return app;
    } catch (const toml::parse_error& error) {
        const auto& at = error.source().begin;
        const auto what = what_is_wrong(error);
        const bool single = what.find("'pipeline.position'") != std::string::npos ||
                            what.find("'input.tensor'") != std::string::npos;
        return fail(Fault::invalid_input, "{}:{}:{}: {}{}", file.string(), at.line, at.column, what,
                    single ? "; tables of which there are several stand in two brackets: [[pipeline.position]]" : "");
    }
}

Result<AppFile> read_app_file(const std::filesystem::path& file) {
    const auto wrong_kind = [&](const char* what) {
        return fail(Fault::invalid_input,
                    "{}: is {}, not an app file (TOML); `fard run`, `fard inspect` and `fard submit --boards N` take a model, "
                    "docs/app-file.md says what an app file holds",
                    file.string(), what);
    };
    const auto extension = file.extension();
    std::error_code ignored;
    const bool there = std::filesystem::is_regular_file(file, ignored);
    if (there && extension == ".onnx") return wrong_kind("a model");
    if (there && extension == ".npy") return wrong_kind("an array");
    auto text = read_whole_file(file, {.most_bytes = most_file_bytes, .pipes = true});
    if (!text) return fail(text.error());
    if (text->find('\0') != std::string::npos) return wrong_kind("no text");
    return parse_app_file(*text, file);
}

Result<std::vector<std::string>> read_labels(const std::filesystem::path& file) {
    const auto text = read_whole_file(file, {.most_bytes = most_file_bytes, .pipes = true});
    if (!text) return fail(text.error());
    std::vector<std::string> labels;
    for (std::size_t at = 0; at < text->size();) {
        const auto end = std::min(text->find('\n', at), text->size());
        labels.push_back(text->substr(at, end - at));
        if (!labels.back().empty() && labels.back().back() == '\r') labels.back().pop_back();
        at = end + 1;
    }
    while (!labels.empty() && labels.back().empty())
        labels.pop_back();
    return labels;
}

}  // namespace fard
