// What the host's processor tells of itself.
#pragma once

// 1 if CPUID shows Intel's or AMD's virtualization (VMX or SVM), otherwise 0.
int caisson_processor_can_virtualize(void);
