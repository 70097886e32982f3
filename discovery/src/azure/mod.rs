//! Azure: servers for PostgreSQL and MySQL, single and flexible, by subscription and resource group.
