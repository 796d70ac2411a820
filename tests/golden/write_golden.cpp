// Writes tests/golden/wire anew, after a change of the protocol: write-golden DIRECTORY
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/golden/samples.hpp"

using namespace fard;

namespace {

bool write(const std::filesystem::path& file, const std::string& bytes) {
    std::ofstream out(file, std::ios::binary);
    return static_cast<bool>((out << bytes).flush());
}

bool write_pair(const std::filesystem::path& stem, const std::string& bytes, const std::string& json) {
    return write(stem.string() + ".bin", bytes) && write(stem.string() + ".json", json + "\n");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return fmt::print(stderr, "usage: write-golden DIRECTORY\n"), 2;
    const std::filesystem::path directory(argv[1]);
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    std::filesystem::create_directories(directory, error);
    bool good = true;
    for (const auto& sample : message_samples()) {
        const auto bytes = wire::encode(sample.envelope, sample.body);
        const auto json = nlohmann::ordered_json::from_msgpack(bytes);
        good = good && write_pair(directory / sample.name, bytes, json.dump(1));
    }
    for (const auto& sample : frame_samples())
        good = good && write_pair(directory / sample.name, sample.bytes, sample.json);
    if (!good) return fmt::print(stderr, "cannot write to {}\n", directory.string()), 1;
    return 0;
}
