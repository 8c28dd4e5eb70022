#include "unit/train/reference.h"

#include <iomanip>
#include <limits>
#include <sstream>

#include "unit/io/io_fixture.h"

namespace dvren::test {

std::optional<std::vector<double>> AskReference(const std::string& script, const std::string& modules,
                                                const std::vector<std::string>& arguments,
                                                const std::vector<double>& numbers) {
  const io::test::TempFolder folder;
  std::ostringstream text;
  text << std::setprecision(std::numeric_limits<double>::max_digits10);
  for (const double number : numbers) text << number << '\n';
  io::test::WriteBytes(folder / "numbers", text.str());
  std::string run = "import runpy, sys\nsys.argv = ['" + script + "'";
  for (const std::string& argument : arguments) run += ", '" + argument + "'";
  run += ", '" + (folder / "numbers") + "', '" + (folder / "answers") + "']\n";
  run += "runpy.run_path('" DVREN_SOURCE_DIR "/tests/unit/train/reference/" + script + "', run_name='__main__')\n";
  if (!io::test::Python(modules, run)) return std::nullopt;
  std::istringstream answers(io::test::ReadBytes(folder / "answers"));
  std::vector<double> out;
  for (double number = 0; answers >> number;) out.push_back(number);
  return out;
}

}  // namespace dvren::test
