// The app file: what an app is, declared in TOML (docs/app-file.md lists every key). toml++ is fenced in
// app_file.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_desc.hpp"

namespace fard {

// Plain data. Every path in it is absolute (relative ones in the file are relative to the file).
struct AppFile {
    std::filesystem::path file;  // the app file itself
    std::string name;            // [app]
    std::string description;

    struct Model {  // [model]
        std::filesystem::path file;
        std::vector<std::vector<std::string>> cuts;  // a set of tensors each; one fewer than positions
        std::filesystem::path labels;                // one class name per line; "" for none
    };
    std::optional<Model> model;  // none: the tensors of [input] pass through all positions unchanged

    struct Size {
        std::int64_t width = 0;
        std::int64_t height = 0;
    };
    // [input]: how an image becomes position 0's input tensor: crop, resize, crop, channels, mean and scale.
    struct Input {
        std::filesystem::path default_data;  // what is used without --input; "" for none
        double crop_fraction = 1;            // central part of the image that is kept before the resize
        std::optional<Size> resize;          // bilinear, half-pixel centres, rounded to the nearest integer
        std::optional<Size> crop;            // centre crop after the resize
        bool bgr = false;                    // channel order that the model wants
        std::vector<float> mean;             // (pixel - mean) * scale; one a channel or for all; empty: 0
        std::vector<float> scale;            // empty: 1

        // Only without a model: what a chunk is, and how many random ones are the default data.
        std::vector<TensorDesc> tensors;
        std::uint64_t random_chunks = 0;
    } input;

    struct Position {  // [[pipeline.position]]
        std::string name;
        std::string job = "stage";  // a program in the board's jobs directory: a plain file name
        std::string board;   // the name or a label of the board that it must be on, "" for any
        std::uint32_t replicas = 1;
        std::uint32_t parts = 0;  // instead of replicas: jobs that each make some of the output's channels; 0: none
        std::string device;  // device kind that it needs, "" for any
        // The package of its stage, or one for each part: a directory, or what names one of the user's own. Empty: made of the model.
        std::vector<std::string> overlays;
        std::map<std::string, std::string> params;
        std::uint32_t jobs() const { return parts ? parts : replicas; }
    };
    std::vector<Position> positions;  // at least one
    std::vector<std::filesystem::path> jobs_dirs;  // of job programs that the file names by their paths
    std::chrono::milliseconds chunk_timeout{60'000};
    std::uint64_t window_bytes = 8u << 20;
    std::uint64_t link_bytes = 4u << 20;
    std::uint64_t batch = 0;  // chunks of a turn, where positions share slots; 0: it does not say
    std::chrono::milliseconds turn_wait{500};

    struct Cluster {               // [cluster]: the local cluster that the app comes with
        std::uint32_t boards = 0;  // 0: one for each job
        std::string profile;       // board profile name, "" for plain CPU boards
        std::uint32_t slots = 0;   // for each board; 0: the profile's or the device's own
    } cluster;

    // Where it says something, for people: `what` is "file in [model]".
    std::string at(std::string_view what) const { return fmt::format("{}: {}", file.string(), what); }

    std::size_t jobs() const {  // positions with their replicas and parts
        std::size_t count = 0;
        for (const auto& position : positions)
            count += position.jobs();
        return count;
    }
};

// Reads and checks an app file; does not look at the files that it names. Errors: not_found, io, and
// invalid_input as "FILE:LINE:COLUMN: what is wrong", with the nearest known name for an unknown key.
Result<AppFile> read_app_file(const std::filesystem::path& file);

// The same for text that is already in memory; `file` is where it is said to come from.
Result<AppFile> parse_app_file(std::string_view toml, const std::filesystem::path& file);

// Class names, one per line (blank lines at the end do not count). Errors: not_found, io.
Result<std::vector<std::string>> read_labels(const std::filesystem::path& file);

}  // namespace fard
