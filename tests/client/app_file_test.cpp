#include "client/app_file.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

using fard::AppFile;
using fard::Fault;
using fard::parse_app_file;

namespace {

const char* const whole = R"(
[app]
name = "two_stage_bnn"
description = "CnvW2A2 in two stages"

[model]
file = "net/cnv.onnx"
cuts = ["a", ["b", "c"]]
labels = "/data/labels.txt"

[input]
default = "../images"
resize = { width = 256, height = 240, method = "bilinear" }
crop = { width = 224, height = 227 }
channels = "bgr"
mean = [104, 117, 123]
scale = 0.5

[pipeline]
chunk_timeout = "1500 ms"
window = "1 MiB"
link = 4096
batch = 16
turn_wait = "200 ms"

[[pipeline.position]]
name = "first"
job = "first_stage"
replicas = 2
device = "soft"
params = { threads = 2, fast = true, rate = 0.5, note = "x" }

[[pipeline.position]]
name = "second"

[[pipeline.position]]
name = "third"

[cluster]
boards = 6
profile = "zedboard"
slots = 1
)";

}  // namespace

TEST_CASE("every key of an app file is read, and paths are relative to the file") {
    const auto app = parse_app_file(whole, "/apps/dir/x.toml");
    REQUIRE_MESSAGE(app, app.error().message);
    CHECK(app->file == "/apps/dir/x.toml");
    CHECK(app->name == "two_stage_bnn");
    CHECK(app->description == "CnvW2A2 in two stages");
    REQUIRE(app->model);
    CHECK(app->model->file == "/apps/dir/net/cnv.onnx");
    CHECK(app->model->labels == "/data/labels.txt");
    CHECK(app->model->cuts == std::vector<std::vector<std::string>>{{"a"}, {"b", "c"}});
    CHECK(app->input.default_data == "/apps/images");
    REQUIRE(app->input.resize);
    CHECK(app->input.resize->width == 256);
    CHECK(app->input.resize->height == 240);
    REQUIRE(app->input.crop);
    CHECK(app->input.crop->width == 224);
    CHECK(app->input.crop->height == 227);
    CHECK(app->input.bgr);
    CHECK(app->input.mean == std::vector<float>{104, 117, 123});
    CHECK(app->input.scale == std::vector<float>{0.5f});
    CHECK(app->chunk_timeout == std::chrono::milliseconds(1500));
    CHECK(app->window_bytes == 1u << 20);
    CHECK(app->link_bytes == 4096);
    CHECK(app->batch == 16);
    CHECK(app->turn_wait == std::chrono::milliseconds(200));
    REQUIRE(app->positions.size() == 3);
    CHECK(app->positions[0].job == "first_stage");
    CHECK(app->positions[0].replicas == 2);
    CHECK(app->positions[0].device == "soft");
    CHECK(app->positions[0].params ==
          std::map<std::string, std::string>{
              {"threads", "2"}, {"fast", "true"}, {"rate", "0.5"}, {"note", "x"}});
    CHECK(app->positions[1].job == "stage");
    CHECK(app->jobs() == 4);
    CHECK(app->cluster.boards == 6);
    CHECK(app->cluster.profile == "zedboard");
    CHECK(app->cluster.slots == 1);
}

TEST_CASE("an app without a model says what a chunk is") {
    const auto app = parse_app_file(R"(
[app]
name = "copy"
[input]
random_chunks = 7
[[input.tensor]]
name = "bytes"
shape = [1, 64]
type = "UINT8"
[pipeline]
position = [{ name = "a", job = "copy" }]
)",
                                    "copy.toml");
    REQUIRE_MESSAGE(app, app.error().message);
    CHECK_FALSE(app->model);
    CHECK(app->input.random_chunks == 7);
    REQUIRE(app->input.tensors.size() == 1);
    CHECK(app->input.tensors[0].wire_bytes() == 64);
    CHECK(app->chunk_timeout == std::chrono::seconds(60));
    CHECK(app->batch == 0);
    CHECK(app->turn_wait == std::chrono::milliseconds(500));
}

TEST_CASE("an error names the place, the fault and the likely meaning") {
    struct Row {
        const char* toml;
        const char* message;  // after "x.toml:"
    };
    const std::string head = "[app]\nname = \"x\"\n[model]\nfile = \"m\"\n";
    const std::string tail = "\n[[pipeline.position]]\nname = \"p\"\n";
    const Row rows[] = {
        {"[input]\nresise = 1", "6:1: unknown key 'resise' in [input] (did you mean resize?)"},
        {"[input]\nzzz = 1", "6:1: unknown key 'zzz' in [input]"},
        {"[pipline]", "5:2: unknown key 'pipline' in the app file (did you mean pipeline?)"},
        {"[input]\nchannels = 3", "6:12: channels in [input] must be a string, not an integer"},
        {"[input]\nchannels = \"grb\"", "6:12: channels in [input] must be \"rgb\" or \"bgr\", not \"grb\""},
        {"[input]\nresize = { width = 3 }", "6:10: [input] resize needs a key 'height'"},
        {"[input]\nresize = { width = 0, height = 1 }",
         "6:20: width in [input] resize must be 1 to 16384, not 0"},
        {"[input]\nresize = { width = 1, height = 1, method = \"cubic\" }",
         "6:44: method in [input] resize must be \"bilinear\", not \"cubic\""},
        {"[input]\nmean = [1, 2]",
         "6:8: mean in [input] must be one number, or three for three channels, not 2"},
        {"[input]\nmean = nan", "6:8: mean in [input] must be finite"},
        {"[input]\nrandom_chunks = 4", "6:17: random_chunks in [input] is only for apps without a [model]"},
        {"[input]\ncrop = { fraction = 2.0 }", "6:21: fraction in [input] crop must be 0.01 to 1, not 2"},
        {"[cluster]\nboards = \"six\"", "6:10: boards in [cluster] must be an integer, not a string"},
        {"[cluster]\nboards = 6\nboards = 7", "7:"},
        {"[pipeline]\nwindow = \"8 MX\"",
         "6:10: window in [pipeline] must be a size above zero, in B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, like \"8 MiB\""},
        {"[pipeline]\nlink = -1",
         "6:8: link in [pipeline] must be a size above zero, in B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, like \"8 MiB\""},
        {"[pipeline]\nlink = \"99999999999 GiB\"",
         "6:8: link in [pipeline] must be a size above zero, in B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, like \"8 MiB\""},
        {"[pipeline]\nchunk_timeout = 60",
         "6:17: chunk_timeout in [pipeline] must be a duration like \"60 s\", not an"},
        {"[pipeline]\nchunk_timeout = \"1 year\"",
         "6:17: chunk_timeout in [pipeline] must be a duration above zero and at most a week, in ms, s or "
         "min"},
        {"[[pipeline.position]]\nname = \"p\"", "8:8: name in [[pipeline.position]] is 'p' twice"},
        {"[[pipeline.position]]\nname = \"q\"",
         "5:1: position in [pipeline] stands there 2 times, but the 0 cuts of [model] make 1 stages"},
        {"[[pipeline.position]]\njob = \"copy\"", "5:1: [[pipeline.position]] needs a key 'name'"},
        {"[[pipeline.position]]\nname = \"q\"\njob = \"../.rm\"",
         "7:7: job in [[pipeline.position]] must be the file name of a program"},
        {"[[pipeline.position]]\nname = \"q\"\njob = \"r m\"",
         "7:7: job in [[pipeline.position]] must be the file name of a program"},
        {"[[pipeline.position]]\nname = \"q\"\nreplicas = 0",
         "7:12: replicas in [[pipeline.position]] must be 1 to 64, not 0"},
        {"[[pipeline.position]]\nname = \"q\"\nparams = { a = [1] }",
         "7:16: a in [[pipeline.position]] must be a string, a number or a boolean, not an array"},
        {"[[pipeline.position]]\nname = \"q\"\noverlay = [\"a\", \"b\"]",
         "7:11: overlay in [[pipeline.position]] must be one package; only parts have several"},
        {"[[pipeline.position]]\nname = \"q\"\nparts = 3\noverlay = [\"a\", \"b\"]",
         "8:11: overlay in [[pipeline.position]] must be an array of 3 packages, one for each part"},
        {"[[pipeline.position]]\nname = \"q\"\noverlay = []",
         "7:11: overlay in [[pipeline.position]] is empty; leave it out, or name one"},
        {"[[pipeline.position]]\nname = \"q\"\noverlay = [1]",
         "7:12: overlay in [[pipeline.position]] must be a string or an array of strings, not an integer"},
        {"key =", "5:6: "},
    };
    for (const auto& row : rows) {
        CAPTURE(row.toml);
        const auto app = parse_app_file(head + row.toml + tail, "x.toml");
        REQUIRE_FALSE(app);
        CHECK(app.error().fault == Fault::invalid_input);
        CHECK_MESSAGE(app.error().message.starts_with(std::string("x.toml:") + row.message),
                      app.error().message);
    }
}

TEST_CASE("whole sections that are missing or misplaced are told") {
    struct Row {
        const char* toml;
        const char* part;
    };
    const Row rows[] = {
        {"", "the app file needs [app]"},
        {"[app]\nname=\"x\"", "the app file needs [pipeline]"},
        {"[app]\nname=\"x\"\n[pipeline]\nposition=[{name=\"a\"}]", "[[input.tensor]] to say what a chunk is"},
        {"[app]\n[pipeline]\nposition=[{name=\"a\"}]", "[app] needs a key 'name'"},
        {"[app]\nname=\"\"", "name in [app] must not be empty"},
        {"[app]\nname=\"..\"", "name in [app] is '..': no control characters, no '-' or '.' in front"},
        {"[app]\nname=\"a\\u001b[2J\"", "name in [app] is 'a\\x1b[2J': "},
        {"[app]\nname=\"x\"\n[pipeline]\nposition=[{name=\"-p\"}]", "name in [[pipeline.position]] is '-p': "},
        {"[app]\nname=x", "could not determine value type; a text stands in quotes"},
        {"[app]\nname=\"x\"\n[model]\nfile=\"m\"\n[pipeline]", "[pipeline] needs a key 'position'"},
        {"[app]\nname=\"x\"\n[model]\ncuts=[[]]\nfile=\"m\"", "a cut names no tensor"},
        {"[app]\nname=\"x\"\n[model]\ncuts=[1]\nfile=\"m\"",
         "cuts in [model] must be an array of strings or of"},
        {"[app]\nname=\"x\"\n[model]\ncuts=\"a\"\nfile=\"m\"",
         "cuts in [model] must be an array of strings or of"},
        {"app = 1", "app in the app file must be a table, not an integer"},
        {"[app]\nname=\"x\"\n[input]\ntensor=[{name=\"t\",shape=[1,0],type=\"UINT8\"}]", "must hold 1 to"},
        {"[app]\nname=\"x\"\n[input]\ntensor=[{name=\"t\",shape=[65536,65536],type=\"UINT8\"}]",
         "holds more than"},
        {"[app]\nname=\"x\"\n[input]\ntensor=[{name=\"t\",shape=[1],type=\"UINT99\"}]",
         "type in [[input.tensor]] is wrong"},
        {"[app]\nname=\"x\"\n[input]\ntensor=[{name=\"t\",shape=[],type=\"INT8\"}]", "must not be empty"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.toml);
        const auto app = parse_app_file(row.toml, "x.toml");
        REQUIRE_FALSE(app);
        CHECK_MESSAGE(app.error().message.find(row.part) != std::string::npos, app.error().message);
    }
}

TEST_CASE("a file that is not there, a directory, and label files") {
    CHECK(fard::read_app_file("/nowhere/x.toml").error().fault == Fault::not_found);
    CHECK(fard::read_app_file("/tmp").error().fault == Fault::invalid_input);
    const auto file = std::filesystem::temp_directory_path() / ("fard-labels-" + std::to_string(getpid()));
    std::ofstream(file) << "airplane\nautomobile\r\n\nbird\n\n\n";
    const auto labels = fard::read_labels(file);
    std::filesystem::remove(file);
    REQUIRE(labels);
    CHECK(*labels == std::vector<std::string>{"airplane", "automobile", "", "bird"});
}

TEST_CASE("a job program that is named by its path is looked for where it is") {
    const std::string text =
        "[app]\nname = \"a\"\n[[input.tensor]]\nname = \"x\"\nshape = [1]\ntype = \"UINT8\"\n"
        "[[pipeline.position]]\nname = \"p\"\njob = \"./build/mine\"\nboard = \"zed1\"\n"
        "[[pipeline.position]]\nname = \"q\"\njob = \"build/../build/other\"\n"
        "[[pipeline.position]]\nname = \"r\"\njob = \"copy\"\n";
    const auto app = parse_app_file(text, "/apps/x.toml");
    REQUIRE_MESSAGE(app, app.error().message);
    CHECK(app->positions[0].job == "mine");
    CHECK(app->positions[0].board == "zed1");
    CHECK(app->positions[1].job == "other");
    CHECK(app->positions[2].job == "copy");
    CHECK(app->jobs_dirs == std::vector<std::filesystem::path>{"/apps/build"});
}
