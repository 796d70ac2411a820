// The app files that come with fard, as far as they can be checked without running them.
#include <doctest/doctest.h>

#include <cstdlib>

#include "client/app_file.hpp"
#include "client/inputs.hpp"

using fard::DataType;
using fard::TensorDesc;

namespace {

std::filesystem::path apps_dir() {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    return std::filesystem::path(root ? root : ".") / "apps";
}

fard::AppFile app(const char* name) {
    auto read = fard::read_app_file(apps_dir() / name);
    REQUIRE_MESSAGE(read, read.error().message);
    return *read;
}

}  // namespace

TEST_CASE("every app file here is good, and names files that are there") {
    int apps = 0;
    for (const auto& entry : std::filesystem::directory_iterator(apps_dir())) {
        if (entry.path().extension() != ".toml") continue;
        ++apps;
        CAPTURE(entry.path().string());
        const auto read = fard::read_app_file(entry.path());
        REQUIRE_MESSAGE(read, read.error().message);
        CHECK(read->name == entry.path().stem());
        if (!read->input.default_data.empty()) CHECK(std::filesystem::exists(read->input.default_data));
        if (!read->model) continue;
        CHECK(std::filesystem::exists(read->model->file));
        CHECK(fard::read_labels(read->model->labels)->size() == 10);
    }
    CHECK(apps >= 3);
}

TEST_CASE("the default images become each network's input") {
    struct Row {
        const char* file;
        std::int64_t side;
    };
    for (const Row& row : {Row{"two_stage_bnn.toml", 32}, Row{"mobilenet_six_stage.toml", 224}}) {
        CAPTURE(row.file);
        const TensorDesc pixels{"pixels", {1, row.side, row.side, 3}, "NHWC", DataType::uint(8), "FLOAT32"};
        const auto inputs = fard::open_inputs(app(row.file), {}, {pixels});
        REQUIRE_MESSAGE(inputs, inputs.error().message);
        CHECK(inputs->size() == 40);
        for (std::size_t i : {0, 39}) {
            const auto input = inputs->at(i);
            REQUIRE_MESSAGE(input, input.error().message);
            CHECK(input->tensors[0].size() == pixels.wire_bytes());
        }
    }
    const auto copy = app("copy.toml");
    CHECK(fard::open_inputs(copy, {}, copy.input.tensors)->size() == copy.input.random_chunks);
}
