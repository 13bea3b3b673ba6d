/// The forms of structured answers, from schemas/answers/.
#pragma once

#include "assistant/answer_shape.hpp"

#include <string>
#include <string_view>

namespace omnibus::assistant {

/// A named JSON Schema that a model's answer must fit.
class AnswerForm {
 public:
  /// @param name letters, digits, dots, hyphens and underscores. @throws std::invalid_argument as read_shape().
  AnswerForm(std::string name, std::string schema);

  /// The form in `schemas/answers/NAME.json`, as this binary was built with. @throws std::invalid_argument if there is
  /// none.
  static AnswerForm const& named(std::string_view name);

  std::string const& name() const { return name_; }
  std::string const& schema() const { return schema_; }
  AnswerShape const& shape() const { return shape_; }
  /// The JSON text of `response_format` that asks for this form. Strict providers refuse `minLength`, `maxLength` and
  /// `uniqueItems`: these rules are in the descriptions.
  std::string response_format() const;

 private:
  std::string name_;
  std::string schema_;
  AnswerShape shape_;
};

}  // namespace omnibus::assistant
