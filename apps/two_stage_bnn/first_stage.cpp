// Position 0 of two_stage_bnn: the convolutions. A chunk comes in as one image and goes out as 256 features
// of 2 bits.
#include <optional>

#include "jobs/job.hpp"
#include "jobs/overlay_runner.hpp"

namespace {

class FirstStage final : public fard::Job {
  public:
    fard::Result<> parse_config(const fard::JobConfig& config) override {
        if (auto kept = Job::parse_config(config); !kept) return kept;
        auto loaded = fard::OverlayRunner::load(config);
        if (!loaded) return fard::fail(loaded.error());
        convolutions_ = std::move(*loaded);
        return {};
    }

    fard::Result<fard::Chunk> process(fard::Chunk image) override { return convolutions_->run(image); }

  private:
    std::optional<fard::OverlayRunner> convolutions_;
};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<FirstStage>(); }, fard::Parking::allowed);
}
