"""What customers are worth through other customers: referrals and influence."""
