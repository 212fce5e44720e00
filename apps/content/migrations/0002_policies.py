from django.db import migrations

from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("content", "0001_initial")]

    operations = [
        TenantPolicies("BlogPost", "BlogComment", "BlogLike", "Faq", "Testimonial"),
        TenantPolicies("HistoricalBlogPost", "HistoricalBlogComment", "HistoricalFaq", "HistoricalTestimonial"),
    ]
