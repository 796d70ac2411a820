#include "overlays/soft/steps/batch_step.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fard::soft {
namespace {

class BatchStep final : public Step {
  public:
    BatchStep(StepPtr step, std::size_t images, std::size_t in_bytes, std::size_t out_bytes)
        : Step(step->reads, step->writes),
          step_(std::move(step)),
          images_(images),
          in_bytes_(in_bytes),
          out_bytes_(out_bytes) {}

    std::size_t scratch_bytes() const override { return places_bytes() + step_->scratch_bytes(); }
    std::string_view kind() const override { return step_->kind(); }
    std::string how() const override { return fmt::format("{} images: {}", images_, step_->how()); }
    std::uint64_t macs() const override { return images_ * step_->macs(); }

    Result<> run(const Memory& memory, Share share) const override {
        const bool by_images = images_ >= share.count;
        const auto mine = (by_images ? share : Share{}).of(images_);
        auto** places = reinterpret_cast<std::byte**>(memory.scratch);
        for (std::size_t image = mine.begin; image < mine.end; ++image) {
            places[reads[0]] = memory.buffers[reads[0]] + image * in_bytes_;
            places[writes] = memory.buffers[writes] + image * out_bytes_;
            const Memory of_image{places, memory.scratch + places_bytes()};
            if (auto done = step_->run(of_image, by_images ? Share{} : share); !done) return done;
        }
        return {};
    }

  private:
    // Of the buffers' places for one image, by their ids; aligned to 64 bytes.
    std::size_t places_bytes() const {
        return ((std::max(reads[0], writes) + 1) * sizeof(std::byte*) + 63) / 64 * 64;
    }

    StepPtr step_;
    std::size_t images_, in_bytes_, out_bytes_;
};

}  // namespace

StepPtr for_each_image(StepPtr step, std::size_t images, std::size_t in_bytes, std::size_t out_bytes) {
    if (!step || images == 1) return step;
    return std::make_unique<BatchStep>(std::move(step), images, in_bytes, out_bytes);
}

}  // namespace fard::soft
