// A job: every byte of a chunk becomes its complement. Position 0 of inverted.toml.
#include <algorithm>
#include <fard/jobs/job.hpp>
#include <memory>

namespace {

class Invert final : public fard::Job {
  public:
    fard::Result<fard::Chunk> process(fard::Chunk chunk) override {
        for (auto& tensor : chunk.tensors) {
            fard::Frame inverted(tensor.size());
            std::ranges::transform(tensor.bytes(), inverted.writable().begin(),
                                   [](std::byte value) { return ~value; });
            tensor = std::move(inverted);
        }
        return chunk;
    }
};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<Invert>(); }, fard::Parking::allowed);
}
