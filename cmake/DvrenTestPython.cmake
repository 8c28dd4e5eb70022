# DVREN_TEST_PYTHON: an interpreter with pytest, numpy, yaml, grpcio and protobuf; Debian's by default, or the first python3 of
# the PATH where that will do. Without one the Python tests are left out, and a warning says so.
if(NOT DVREN_TEST_PYTHON)
  foreach(candidate /usr/bin/python3 python3)
    execute_process(COMMAND ${candidate} -c "import pytest, numpy, yaml, grpc, google.protobuf" RESULT_VARIABLE missing
      OUTPUT_QUIET ERROR_QUIET)
    if(missing EQUAL 0)
      set(DVREN_TEST_PYTHON ${candidate} CACHE STRING "Interpreter of the Python tests")
      break()
    endif()
  endforeach()
endif()
if(NOT DVREN_TEST_PYTHON)
  message(WARNING "Python tests are left out: no python3 with pytest, numpy, yaml, grpcio and protobuf (./dev setup installs them)")
endif()

# dvren_python_test(<name> LABEL <folder> PATH <file or folder> [TIMEOUT <seconds>]): one CTest case that runs pytest.
function(dvren_python_test name)
  cmake_parse_arguments(T "" "LABEL;PATH;TIMEOUT" "" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  if(DVREN_TEST_PYTHON)
    add_test(NAME ${T_LABEL}.${name} COMMAND "${DVREN_TEST_PYTHON}" -m pytest -q -p no:cacheprovider "${T_PATH}")
    set_tests_properties(${T_LABEL}.${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT}
      ENVIRONMENT "DVREN_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};PYTHONDONTWRITEBYTECODE=1")
  endif()
endfunction()
