// LinuxBoot
