// Any one message of the table (messages.hpp), held behind a pointer, so that who only hands messages on need not know
// every kind: the kinds' own headers are included by those who read or write them, all of them by the codec alone.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace fard::wire {

template <typename Message>
concept IsMessage = requires {
    { Message::type } -> std::convertible_to<std::uint16_t>;
    { Message::cap } -> std::convertible_to<std::size_t>;
};

// A value: a copy holds a copy of the message. One that was moved from or made of nothing holds none: it is of no kind,
// and is not encoded. Not for several threads at once.
class Body {
  public:
    Body() = default;
    template <typename Message>
    requires IsMessage<std::remove_cvref_t<Message>> Body(Message&& message)  // NOLINT: a message is a body
        : held_(std::make_unique<Held<std::remove_cvref_t<Message>>>(std::forward<Message>(message))),
          type_(std::remove_cvref_t<Message>::type) {}
    Body(const Body& other) : held_(other.held_ ? other.held_->copy() : nullptr), type_(other.type_) {}
    Body(Body&& other) noexcept = default;
    Body& operator=(const Body& other) {
        if (this != &other) *this = Body(other);
        return *this;
    }
    Body& operator=(Body&& other) noexcept = default;
    ~Body() = default;
    friend bool operator==(const Body& a, const Body& b) {
        if (a.type_ != b.type_ || !a.held_ || !b.held_) return a.type_ == b.type_ && !a.held_ && !b.held_;
        return a.held_->equals(*b.held_);
    }

    std::uint16_t type() const { return type_; }  // the number of its kind

    template <typename Message>
    bool is() const {
        return as<Message>() != nullptr;
    }

    // The message, if it is of this kind; else null. Lives as long as the body holds it.
    template <typename Message>
    Message* as() {
        return const_cast<Message*>(std::as_const(*this).template as<Message>());
    }
    template <typename Message>
    const Message* as() const {
        if (type_ != Message::type || !held_) return nullptr;
        return &static_cast<const Held<Message>&>(*held_).message;
    }

  private:
    struct Holder {
        virtual ~Holder() = default;
        virtual std::unique_ptr<Holder> copy() const = 0;
        virtual bool equals(const Holder& of_the_same_kind) const = 0;
    };
    template <typename Message>
    struct Held final : Holder {
        explicit Held(Message held) : message(std::move(held)) {}
        std::unique_ptr<Holder> copy() const override { return std::make_unique<Held>(message); }
        bool equals(const Holder& other) const override {
            return message == static_cast<const Held&>(other).message;
        }
        Message message;
    };

    std::unique_ptr<Holder> held_;
    std::uint16_t type_ = 0;
};

}  // namespace fard::wire
