#include "overlays/emulated/stage_worker.hpp"

#include <sys/eventfd.h>

#include <new>
#include <system_error>

namespace fard {

namespace {
constexpr TimePoint no_limit = TimePoint::max();
}

StageWorker::StageWorker(std::unique_ptr<Device> computes)
    : computes_(std::move(computes)), fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

StageWorker::~StageWorker() {
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Result<> StageWorker::load(const Package& package) {
    const std::lock_guard lock(mutex_);
    works_.clear();
    if (package.id == loaded_id_ && (!loaded_ || *loaded_)) return {};
    loaded_id_ = package.id;
    loaded_.reset();
    to_load_ = package;
    output_bytes_.clear();
    for (const auto& tensor : package.manifest.outputs)
        output_bytes_.push_back(tensor.wire_bytes());
    if (!thread_.joinable()) {
        try {
            thread_ = std::thread([this] { serve(); });
        } catch (const std::system_error& error) {
            return fail(Fault::io, "no thread: {}", error.what());
        }
    }
    wake_.notify_all();
    return {};
}

std::optional<Result<>> StageWorker::loaded() const {
    const std::lock_guard lock(mutex_);
    return loaded_;
}

void StageWorker::begin(std::shared_ptr<StageWork> work) {
    const std::lock_guard lock(mutex_);
    works_.push_back(std::move(work));
    wake_.notify_all();
}

void StageWorker::drop() {
    const std::lock_guard lock(mutex_);
    works_.clear();
}

void StageWorker::clear() const {
    eventfd_t count = 0;
    ::eventfd_read(fd_.get(), &count);
}

// ---- the thread

void StageWorker::serve() {
    std::unique_lock lock(mutex_);
    while (!ends_) {
        if (to_load_) {
            const auto package = *std::exchange(to_load_, std::nullopt);
            lock.unlock();
            Result<> end = fail(Fault::io, "found no memory");
            try {
                end = load_now(*computes_, package, no_limit);
            } catch (const std::bad_alloc&) {
            }
            lock.lock();
            if (package.id == loaded_id_ && !to_load_) loaded_ = std::move(end);
            ::eventfd_write(fd_.get(), 1);
        } else if (!works_.empty()) {
            const auto work = std::move(works_.front());
            works_.pop_front();
            lock.unlock();
            compute(*work);
            ::eventfd_write(fd_.get(), 1);
            lock.lock();
        } else {
            wake_.wait(lock);
        }
    }
}

void StageWorker::compute(StageWork& work) {
    try {
        work.end = [&]() -> Result<> {
            const std::vector<Bytes> inputs(work.inputs.begin(), work.inputs.end());
            std::vector<MutableBytes> outputs;
            for (const auto bytes : output_bytes_)
                outputs.emplace_back(work.results.emplace_back(bytes));
            if (auto begun = computes_->submit(0, inputs, outputs, no_limit); !begun) return begun;
            if (const auto done = await_chunk(*computes_, no_limit); !done) return fail(done.error());
            return {};
        }();
    } catch (const std::bad_alloc&) {
        work.end = fail(Fault::io, "found no memory");
    }
    work.done.store(true, std::memory_order_release);
}

}  // namespace fard
