#include "overlays/soft/steps/general_step.hpp"

namespace fard::soft {
namespace {

std::vector<BufferId> buffers_of(const std::vector<Operand>& operands) {
    std::vector<BufferId> buffers;
    for (const auto& operand : operands)
        if (!operand.constant) buffers.push_back(operand.buffer);
    return buffers;
}

class GeneralStep final : public Step {
  public:
    GeneralStep(model::NodeView view, std::vector<Operand> operands, BufferId out_buffer, const Storage& out)
        : Step(buffers_of(operands), out_buffer),
          view_(std::move(view)),
          operands_(std::move(operands)),
          out_(out) {}

    std::string_view kind() const override { return "interpreted"; }

    Result<> run(const Memory& memory, Share share) const override {
        if (share.index != 0) return {};
        std::vector<model::Values> loaded(operands_.size());
        std::vector<const model::Values*> values;
        for (std::size_t i = 0; i < operands_.size(); ++i) {
            if (!operands_[i].constant)
                load_values(operands_[i].storage, memory.at<const std::byte>(operands_[i].buffer), loaded[i]);
            values.push_back(operands_[i].constant ? operands_[i].constant : &loaded[i]);
        }
        const auto result = model::run_node(view_, values);
        if (!result) return fail(result.error());
        if (auto stored = store_values(out_, *result, memory.at<std::byte>(writes)); !stored)
            return fail_in("node '" + view_.node.name + "'", stored.error());
        return {};
    }

  private:
    model::NodeView view_;
    std::vector<Operand> operands_;
    Storage out_;
};

class ConstantStep final : public Step {
  public:
    ConstantStep(const model::Values& values, BufferId out_buffer, const Storage& out)
        : Step({}, out_buffer), values_(values), out_(out) {}

    std::string_view kind() const override { return "constant"; }

    Result<> run(const Memory& memory, Share share) const override {
        if (share.index != 0) return {};
        return store_values(out_, values_, memory.at<std::byte>(writes));
    }

  private:
    const model::Values& values_;
    Storage out_;
};

}  // namespace

StepPtr make_general_step(model::NodeView view, std::vector<Operand> operands, BufferId out_buffer,
                          const Storage& out) {
    return std::make_unique<GeneralStep>(std::move(view), std::move(operands), out_buffer, out);
}

StepPtr make_constant_step(const model::Values& values, BufferId out_buffer, const Storage& out) {
    return std::make_unique<ConstantStep>(values, out_buffer, out);
}

}  // namespace fard::soft
