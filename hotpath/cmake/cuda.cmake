# The CUDA backend: DVREN_CUDA=AUTO builds it where nvcc is found, ON demands it.
if(NOT DVREN_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER AND DVREN_CUDA STREQUAL "ON")
    message(FATAL_ERROR "DVREN_CUDA=ON: no CUDA compiler; put nvcc on PATH or set DVREN_CUDA=OFF")
  endif()
endif()
