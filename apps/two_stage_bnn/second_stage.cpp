// Position 1 of two_stage_bnn: the fully connected layers. A chunk comes in as 256 features and goes out as
// ten scores.
#include <optional>

#include "jobs/job.hpp"
#include "jobs/overlay_runner.hpp"

namespace {

class SecondStage final : public fard::Job {
  public:
    fard::Result<> parse_config(const fard::JobConfig& config) override {
        if (auto kept = Job::parse_config(config); !kept) return kept;
        auto loaded = fard::OverlayRunner::load(config);
        if (!loaded) return fard::fail(loaded.error());
        classifier_ = std::move(*loaded);
        return {};
    }

    fard::Result<fard::Chunk> process(fard::Chunk features) override { return classifier_->run(features); }

  private:
    std::optional<fard::OverlayRunner> classifier_;
};

}  // namespace

int main(int argc, char** argv) {
    return fard::run_job(argc, argv, [] { return std::make_unique<SecondStage>(); }, fard::Parking::allowed);
}
