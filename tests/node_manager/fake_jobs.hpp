// Jobs in memory: a spawner whose jobs do what the test tells them.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "runtime/node_manager/job_process.hpp"

namespace fard::test {

// What a test sees of one job; outlives the JobProcess.
struct FakeJob {
    std::string program;
    JobProcess::Events events;
    std::deque<wire::Body> told;
    bool alive = true;  // the JobProcess exists
    bool killed = false;
    bool dies_when_killed = true;
    bool takes_messages = true;
    std::optional<JobProcess::Busy> busy;
    JobProcess::Signs signs;
    wire::JobStats totals;
    std::string place = "/run/links/0";

    void say(const wire::Body& body) { events.said(body); }
    void exit(const ChildExit& exit, const std::string& words = "") {
        if (!alive) return;
        const auto exited = std::move(events.exited);
        events.exited = nullptr;
        if (exited) exited(exit, words);
    }
    template <typename Message>
    const Message* last() const {
        return told.empty() ? nullptr : told.back().as<Message>();
    }
};

class FakeSpawner final : public JobSpawner {
  public:
    explicit FakeSpawner(Loop& loop) : loop_(loop) {}

    Result<std::unique_ptr<JobProcess>> spawn(const std::string& program, const JobStart&,
                                              JobProcess::Events events) override {
        if (program == missing) return fail(Fault::not_found, "no job program '{}'", program);
        auto job = std::make_shared<FakeJob>();
        job->program = program;
        job->events = std::move(events);
        job->place = "/run/links/" + std::to_string(jobs.size());
        jobs.push_back(job);
        return std::make_unique<Process>(loop_, std::move(job));
    }

    std::vector<std::string> programs() override { return {"copy"}; }

    std::size_t alive() const {
        std::size_t count = 0;
        for (const auto& job : jobs)
            count += job->alive ? 1 : 0;
        return count;
    }

    std::vector<std::shared_ptr<FakeJob>> jobs;  // in the order in which they were spawned
    std::string missing = "missing";             // a program that does not exist

  private:
    class Process final : public JobProcess {
      public:
        Process(Loop& loop, std::shared_ptr<FakeJob> job) : loop_(loop), job_(std::move(job)) {}
        ~Process() override { job_->alive = false; }
        Result<> tell(const wire::Body& body) override {
            if (!job_->takes_messages) return fail(Fault::io, "the job takes no messages");
            job_->told.push_back(body);
            return {};
        }
        void kill() override {
            if (std::exchange(job_->killed, true) || !job_->dies_when_killed) return;
            loop_.post([job = job_] { job->exit({-1, 9}, "killed"); });
        }
        std::optional<Busy> busy() const override { return job_->busy; }
        Signs signs() const override { return job_->signs; }
        wire::JobStats totals() const override { return job_->totals; }
        const std::string& link_place() const override { return job_->place; }

      private:
        Loop& loop_;
        std::shared_ptr<FakeJob> job_;
    };

    Loop& loop_;
};

}  // namespace fard::test
